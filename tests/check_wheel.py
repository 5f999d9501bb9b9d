"""Check the contents of a built wheel: ``python check_wheel.py FILE.whl``."""

import sys
import zipfile
from pathlib import PurePosixPath

NEEDED = {
    "soundcheck/py.typed",
    "soundcheck/contract/official_node.mjs",
    "soundcheck/plugin/__init__.py",
    "soundcheck/reference/phrasebank.json",
    "soundcheck/report/schemas/run-1.json",
    "soundcheck/report/schemas/bench-1.json",
    "soundcheck/report/templates/report.html.j2",
    "soundcheck/report/templates/bench.html.j2",
    "soundcheck/_suites/conformance/__init__.py",
    "soundcheck/_suites/conformance/test_schema.py",
    "soundcheck/_suites/conformance/profiles/openai.toml",
    *(
        f"soundcheck/_suites/conformance/profiles/{name}.toml"
        for name in ("azure", "groq", "litellm", "localai", "privatemode", "speaches", "vllm")
    ),
    "soundcheck/_suites/conformance/profiles/encrypting-proxy.toml",
    "soundcheck/_suites/conformance/profiles/whisper-cpp.toml",
    "soundcheck/_suites/conformance/schemas/transcription.json",
    "soundcheck/_suites/fixtures/phrases.toml",
    "soundcheck/_suites/loadtests/steady.py",
}
UNWANTED = {"tests", "reports", "docs", "__pycache__"}


def main(wheel: str) -> int:
    """Print what is missing from or should not be in ``wheel``; return 1 if there is anything."""
    names = set(zipfile.ZipFile(wheel).namelist())
    faults = [f"missing: {name}" for name in sorted(NEEDED - names)]
    faults += [
        f"unwanted: {name}" for name in sorted(names) if UNWANTED & set(PurePosixPath(name).parts)
    ]
    faults += [
        f"outside the package: {name}"
        for name in sorted(names)
        if not name.startswith(("soundcheck/", "stt_soundcheck-"))
    ]
    sys.stdout.write(
        "".join(fault + "\n" for fault in faults) or f"{len(names)} files, as wanted\n"
    )
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
