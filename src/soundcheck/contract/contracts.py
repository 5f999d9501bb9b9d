"""The contracts that come with Soundcheck, and the areas that have a common name."""

BUILT_IN = ("openai", "vllm", "privatemode")
"""The contracts of the transcription API."""

CONTRACTS = (*BUILT_IN, "encrypting-proxy")
"""All of them: the last promises encryption alone, whatever the API behind it."""

PRIVATE = ("privatemode", "encrypting-proxy")
"""Those of a proxy at the user's side."""

ENCRYPTION = ("transport", "wire")
"""The areas that the word ``encryption`` stands for in a selection."""
