"""What a tap can be told to do, one thing at a time, while a request is answered.

The names are evidence: they stand in probes and reports. The tap carries them out.
"""

from enum import StrEnum


class Attack(StrEnum):
    """One change made by the untrusted gateway that the tap plays."""

    NONE = ""

    # One bit of an envelope in the request: of the file, or of the prompt.
    FLIP_FILE_CIPHERTEXT = "flip a bit of the file's ciphertext"
    FLIP_FILE_TAG = "flip a bit of the file's tag"
    FLIP_FILE_IV = "flip a bit of the file's IV"
    FLIP_FILE_NONCE = "flip a bit of the file's nonce"
    FLIP_FILE_ID = "flip a bit of the file's secret ID"
    FLIP_PROMPT_CIPHERTEXT = "flip a bit of the prompt's ciphertext"
    SWAP_FIELDS = "swap the envelopes of prompt and language"
    REPLAY_REQUEST = "send the whole request a second time"

    # The response, or the events of a stream.
    FLIP_ANSWER_CIPHERTEXT = "flip a bit of the text's ciphertext"
    FLIP_ANSWER_TAG = "flip a bit of the text's tag"
    FLIP_ANSWER_IV = "flip a bit of the text's IV"
    FLIP_ANSWER_NONCE = "flip a bit of the text's nonce"
    SWAP_MEMBERS = "swap the envelopes of two members of the answer"
    REPLAY_ANSWER = "answer with an earlier response"
    INJECT_ANSWER = "answer with a transcript in the clear"
    REORDER_EVENTS = "swap two events of the stream"
    DUPLICATE_EVENT = "send an event of the stream twice"
    DROP_EVENT = "drop an event from the middle of the stream"
    CUT_STREAM = "end the stream in order before its last events"
    CUT_STREAM_DONE = "end the stream early and forge its end marker"

    # The secret: it is lost, and where a second part is named, that is done to the new exchange.
    LOSE_SECRET = "lose the secret once"  # noqa: S105 - an attack, not a secret
    LOSE_SECRETS = "lose the secret at every request"
    FORGE_SIGNATURE = "lose the secret, then forge the new one's signature"
    FOREIGN_MESH = "lose the secret, then sign the new one by a foreign mesh certificate"
    REPLAY_KEY = "lose the secret, then answer with an earlier encapsulated key"
    REPLAY_ATTESTATION = "lose the secret, then answer with an earlier attestation"

    # New connections only: the tap closes those that there are first.
    WRONG_ROOT = "present a certificate of an unknown root"
    WRONG_NAME = "present a certificate for another name"
    EXPIRED = "present an expired certificate"
    SELF_SIGNED = "present a self-signed certificate"
    OLD_TLS = "speak TLS 1.1 at most"
    NO_TLS = "refuse every TLS handshake"


ON_CONNECTIONS = frozenset(
    {
        Attack.WRONG_ROOT,
        Attack.WRONG_NAME,
        Attack.EXPIRED,
        Attack.SELF_SIGNED,
        Attack.OLD_TLS,
        Attack.NO_TLS,
    }
)
"""Attacks during which nothing of a request may come through."""
