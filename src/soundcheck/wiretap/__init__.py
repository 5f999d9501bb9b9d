"""The wire tap: plays the untrusted gateway between an encrypting proxy and its API."""
