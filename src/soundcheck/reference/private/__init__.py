"""The private reference stack: a proxy and a gateway that speak Privatemode's wire protocol.

The proxy stands at the user's side and encrypts; the gateway stands before the reference backend
and decrypts. Neither is for anything but checks: attestation is a stand-in that says so.
"""

from soundcheck.reference.private.deployment import (
    GatewayRunning,
    ProxyRunning,
    start_gateway,
    start_proxy,
)
from soundcheck.reference.private.faults import PRIVATE_FAULTS, by_side

__all__ = [
    "PRIVATE_FAULTS",
    "GatewayRunning",
    "ProxyRunning",
    "by_side",
    "start_gateway",
    "start_proxy",
]
