"""The speech worker: a program of its own that speaks with espeak-ng and answers over pipes.

It is run by file name (``python -I -S espeak_worker.py LIBRARY DATA``), imports nothing but the
standard library and shares no memory with the rest, because espeak-ng is under the GPL.

espeak-ng keeps state between utterances (the second rendering of a text differs from the first),
and neither ``espeak_Terminate`` nor a random seed cures that alone; and it seeds its noise from the
clock. So the library is unloaded and loaded again, and seeded, before every request: the same
arguments then give the same samples, in any order, in any process, at any time.

Protocol, one request at a time: a line of JSON in; a line of JSON out, followed by ``bytes`` bytes
of raw samples (16 bit, native order, mono). A request that fails answers ``{"error": "..."}``.
"""

import _ctypes
import ctypes
import json
import sys
from typing import Any, BinaryIO

SYNCHRONOUS = 2
PHONEME_EVENTS = 0x0001
DO_NOT_EXIT = 0x8000
UTF8 = 1
END_PAUSE = 0x1000
RATE_PARAMETER = 1
IPA = 0x02
SEED = 1
WORD_EVENT, END_EVENT, PHONEME_EVENT = 1, 5, 7
PAUSES = ("_", "")


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_void_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class WorkerError(Exception):
    """The library refused the request."""


class Engine:
    """One loading of the library; a context manager that unloads it again."""

    def __init__(self, library: str, data: str, voice: str) -> None:
        self._library = ctypes.CDLL(library)
        try:
            self.rate: int = self._library.espeak_Initialize(
                SYNCHRONOUS, 0, data.encode(), DO_NOT_EXIT | PHONEME_EVENTS
            )
            if self.rate <= 0:
                raise WorkerError(f"espeak-ng found no voice data in {data}")
            if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise WorkerError(f"espeak-ng has no voice named {voice!r}")
            # Loading seeds espeak-ng's noise from the clock; some voices draw from the C library.
            self._library.espeak_ng_SetRandSeed(ctypes.c_long(SEED))
            ctypes.CDLL(None).srand(SEED)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Terminate and unload, so that no state is left for the next request."""
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)

    def speak(self, text: str, rate: int) -> tuple[bytes, list[tuple[int, ...]]]:
        """Return the samples, and per event ``(type, position, length, sample, is_pause)``."""
        pieces: list[bytes] = []
        events: list[tuple[int, ...]] = []

        def receive(samples: Any, count: int, event: Any) -> int:
            if samples and count > 0:
                pieces.append(ctypes.string_at(samples, 2 * count))
            index = 0
            while event[index].type != 0:
                one = event[index]
                if one.type in (WORD_EVENT, END_EVENT, PHONEME_EVENT):
                    name = one.id.string.decode("utf-8", "replace")
                    pause = one.type == PHONEME_EVENT and name.rstrip(":") in PAUSES
                    events.append((one.type, one.text_position, one.length, one.sample, int(pause)))
                index += 1
            return 0

        callback = _CALLBACK(receive)
        self._library.espeak_SetSynthCallback(callback)
        if self._library.espeak_SetParameter(RATE_PARAMETER, rate, 0) != 0:
            raise WorkerError(f"espeak-ng refused the rate {rate}")
        encoded = text.encode()
        status = self._library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded) + 1), 0, 1, 0, UTF8 | END_PAUSE, None, None
        )
        if status != 0:
            raise WorkerError(f"espeak-ng could not speak the text (status {status})")
        return b"".join(pieces), events

    def phonemes(self, text: str) -> str:
        """Return the text's phonemes in IPA, ``_`` between phonemes, blanks between words."""
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        buffer = ctypes.create_string_buffer(text.encode())
        rest = ctypes.c_void_p(ctypes.addressof(buffer))
        clauses: list[str] = []
        while rest.value:
            clause = self._library.espeak_TextToPhonemes(
                ctypes.byref(rest), UTF8, IPA | (ord("_") << 8)
            )
            clauses.append(clause.decode())
        return " ".join(clause.strip() for clause in clauses if clause.strip())


def answer(request: dict[str, Any], library: str, data: str) -> tuple[dict[str, Any], bytes]:
    """Answer one request: the JSON object to send, and the raw bytes that follow it."""
    try:
        with Engine(library, data, request["voice"]) as engine:
            if request["do"] == "phonemes":
                return {"phonemes": engine.phonemes(request["text"]), "bytes": 0}, b""
            samples, events = engine.speak(request["text"], request["rate"])
            return {"rate": engine.rate, "events": events, "bytes": len(samples)}, samples
    except (WorkerError, OSError) as error:
        return {"error": str(error), "bytes": 0}, b""


def serve(requests: BinaryIO, answers: BinaryIO, library: str, data: str) -> None:
    """Answer requests until the pipe closes, which is also how the parent's death shows."""
    for line in iter(requests.readline, b""):
        head, body = answer(json.loads(line), library, data)
        answers.write(json.dumps(head).encode() + b"\n" + body)
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, sys.argv[1], sys.argv[2])
