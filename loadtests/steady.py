"""Steady: how long transcriptions take while a fixed number of users keep asking.

A closed loop: each user sends its next request when the last one is answered, so latency is not
that under a fixed arrival rate. Run it with

    locust -f loadtests/steady.py --host http://localhost:8000/v1 --headless -u 4 -t 30s
"""

import os
from typing import Any

from locust import FastHttpUser, constant, events, task

from soundcheck.audio import Library
from soundcheck.http.multipart import Field, File, encode

CLIPS = ("sentence.wav", "other-sentence.wav", "speech-2s.wav", "hello.wav")
"""Distinct clips, so that no cache answers in the place of the model."""


@events.init_command_line_parser.add_listener
def add_options(parser: Any) -> None:
    """Add the options that name the model and the key's variable."""
    parser.add_argument("--stt-model", default="whisper-large-v3", help="model to ask")
    parser.add_argument("--stt-api-key-env", default="", help="environment variable of the key")


class TranscriptionUser(FastHttpUser):
    """One caller that transcribes one clip after the other."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Encode each clip's form once: encoding per request would measure the client."""
        options = self.environment.parsed_options
        key = os.environ[options.stt_api_key_env] if options.stt_api_key_env else ""
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        library = Library()
        model = (Field("model", options.stt_model), options.stt_model.encode())
        self._forms = [
            encode([model, (File("file", name, name, "audio/wav"), library.clip(name).read())])
            for name in CLIPS
        ]

    @task
    def transcribe(self) -> None:
        """Send the next clip; an answer without text is a failure."""
        form = self._forms.pop(0)
        self._forms.append(form)
        body, content_type = form
        with self.client.post(
            "/audio/transcriptions",
            data=body,
            headers={"Content-Type": content_type, **self._headers},
            name="transcription",
            catch_response=True,
        ) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
            elif not str(response.js.get("text", "")).strip():
                response.failure("no text")
