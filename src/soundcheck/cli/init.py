"""``soundcheck init``: write a commented file of targets that works as it is."""

from pathlib import Path
from typing import Annotated

import typer

from soundcheck.errors import SoundcheckError

EXAMPLES = """
**Examples**

`soundcheck init`

writes soundcheck.toml, with a target `local` to begin with

`soundcheck serve` in one terminal, and `soundcheck check local` in another

tries it on the bundled reference deployment

`soundcheck init deploy/stt.toml`, then `soundcheck check local --config deploy/stt.toml`
"""

TEMPLATE = """\
# Deployments by name: `soundcheck check local` judges the one below.
#
# Looked for in the working directory, or named by --config FILE. Options of the command line win
# over this file. Nothing secret belongs into it: keys are named by their environment variables.

[targets.local]
base_url = "http://127.0.0.1:8000/v1"   # the API's base; `soundcheck serve` answers here
model = "whisper-large-v3"              # default: chosen from the deployment's own list
profile = "openai"                      # what it claims: a built-in profile, or a .toml beside this
# api_key_env = "STT_API_KEY"           # the variable that holds the key: Authorization: Bearer …
# effort = "quick"                      # quick (default), full or deep
# jobs = 4                              # requests at a time
# timeout = 120                         # seconds per exchange
#
# What one check may ask for at most. A plan that needs more is not begun.
# max_requests = 250
# max_audio_minutes = 15
# max_upload_mb = 300
# max_rate = 5                          # requests per second
#
# Shown with every plan and report:
# price_per_audio_minute = 0.006
# currency = "USD"

# [targets.openai]
# base_url = "https://api.openai.com/v1"
# model = "whisper-1"
# api_key_env = "OPENAI_API_KEY"
# price_per_audio_minute = 0.006

# Azure: the deployment is part of the URL, the version of the API a query on every request, and the
# key has a header of its own.
# [targets.azure]
# base_url = "https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT"
# model = "whisper-1"
# query = { "api-version" = "2024-06-01" }
# headers = { "api-key" = { env = "AZURE_OPENAI_API_KEY" } }

# Behind a gateway of your own: paths are seen from this file's folder.
# [targets.staging]
# base_url = "https://stt.example.com/v1"
# profile = "vllm"
# headers = { "X-Team" = "speech", "X-Gateway-Key" = { env = "GATEWAY_KEY" } }
# tls_roots = "roots.pem"               # certificates to trust beside the system's
# client_cert = "client.pem"            # shown where the server asks for one
# client_key = "client.key"             # default: in the file of the certificate
# proxy = "http://proxy.example.com:3128"   # default: HTTPS_PROXY and the like
# proxy = { env = "PROXY_URL" }         # one with a user name and a password in it
"""


def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where to write it.")] = Path(
        "soundcheck.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there.")] = False,
) -> None:
    """Write a commented soundcheck.toml, in which deployments have names."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(TEMPLATE)
    except FileExistsError:
        raise SoundcheckError(
            f"{file} is there already and was left as it is; --force replaces it"
        ) from None
    except OSError as error:
        raise SoundcheckError(f"{file} cannot be written: {error.strerror}") from None
    typer.echo(f"{file} is written. Try it: `soundcheck serve`, and beside it")
    elsewhere = "" if file == Path("soundcheck.toml") else f" --config {file}"
    typer.echo(f"soundcheck check local{elsewhere}")


init.__doc__ = f"{init.__doc__}\n{EXAMPLES}"
