"""Reading metrics during a run: whatever the other side does, the run goes on."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from soundcheck.errors import ExitCode, SoundcheckError
from soundcheck.load.telemetry import Telemetry, is_local
from soundcheck.load.telemetry.nvml import Gpus
from soundcheck.load.telemetry.scrape import NotRead, checked, fetch, shown

Serving = Callable[..., str]


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Return a function that serves fixed bytes to whoever connects, and gives the URL."""
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(answer: bytes, holds: bool = False) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)

        def go_on() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with suppress(OSError):
                    client.recv(65536)
                    client.sendall(answer)
                opened.append(client) if holds else client.close()

        threads.append(threading.Thread(target=go_on))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"

    yield serve
    for one in opened:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()
    for one in opened:  # by now no thread adds another
        one.close()


def page(body: bytes, status: str = "200 OK") -> bytes:
    """Return an answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_page_is_read(serving: Serving) -> None:
    """What the server answers is returned as text."""
    assert fetch(serving(page(b"up 1\n"))) == "up 1\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (page(b"", "503 Busy"), "status 503"),
        (page(b"", "302 Found"), "status 302"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
        (b"", "was closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", "broke off"),
    ],
)
def test_what_cannot_be_read_says_why(serving: Serving, answer: bytes, why: str) -> None:
    """Errors are told in a few words."""
    with pytest.raises(NotRead, match=why):
        fetch(serving(answer))


def test_a_page_is_bounded(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is too large is not kept, one that is too slow not waited for."""
    monkeypatch.setattr("soundcheck.load.telemetry.scrape.MOST_BYTES", 2**20)
    with pytest.raises(NotRead, match="more than 1 MiB"):
        fetch(serving(page(bytes(2**20 + 1))))
    with pytest.raises(NotRead, match="in time"):
        fetch(serving(b"HTTP/1.1 200 OK\r\n", holds=True), seconds=0.05)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with pytest.raises(NotRead, match="refused"):
        fetch(url)


@pytest.mark.parametrize(
    "wrong",
    ["metrics", "ftp://host/", "http://", "http://u:secret@host/", "http://h:x/", "http://h/a b"],
)
def test_a_wrong_url_is_a_usage_error(wrong: str) -> None:
    """It is told before the run begins, without a password."""
    with pytest.raises(SoundcheckError) as caught:
        Telemetry([wrong])
    assert caught.value.exit_code == ExitCode.USAGE
    assert "secret" not in str(caught.value)


def test_a_wrong_expression_is_a_usage_error() -> None:
    """An expression that is none says so."""
    with pytest.raises(SoundcheckError, match="regular expression"):
        Telemetry(["http://host/metrics"], ["("])


def test_urls_are_completed_and_shown_without_secrets() -> None:
    """A server alone means its /metrics; what a query holds is not printed."""
    assert checked("http://host:8000") == "http://host:8000/metrics"
    assert shown("http://host/metrics?token=secret") == "http://host/metrics"
    assert is_local("http://127.0.0.1:8000/v1")
    assert is_local("http://[::1]/v1")
    assert not is_local("https://api.example.com/v1")
    assert not is_local("")


def test_nothing_to_read_is_no_result() -> None:
    """Without a URL and a GPU there is nothing to tell."""
    telemetry = Telemetry(target="https://api.example.com/v1", gpu_price=2.0)
    telemetry.start()
    assert telemetry.stage_summary(0, 1)["power_w_mean"] is None
    telemetry.stop()
    assert telemetry.result([(0, 1, 10.0)]) is None


def test_a_run_s_metrics_are_read_by_a_process_of_its_own(serving: Serving) -> None:
    """Good places are read and bad ones noted once, all at the same time; then it ends."""
    good = serving(page(b"vllm:num_requests_running 3\nmine 4\n"))
    pages = serving(page(b"<html>"))
    empty = serving(page(b"other 1\n"))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}/metrics?key=secret"
    telemetry = Telemetry([good, pages, empty, gone], ["^mine$"], interval_s=0.02)
    telemetry.start(time.monotonic_ns())
    deadline = time.monotonic() + 30
    while not (found := telemetry.stage_summary(0, 60))["requests_running_max"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    while len(_notes(telemetry)) < 3 or "before" in "".join(_notes(telemetry)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    telemetry.stop()
    telemetry.stop()
    assert found["requests_running_max"] == 3
    result = telemetry.result([])
    assert result is not None
    assert [one["name"] for one in result["series"]] == ["vllm:num_requests_running", "mine"]
    assert result["metrics_url"].count("http://") == 4
    assert "secret" not in str(result)
    of_pages, of_empty, of_gone = result["notes"]
    assert "never read: a web page" in of_pages
    assert "none of the metrics" in of_empty
    assert "never read: connection refused" in of_gone


def _notes(telemetry: Telemetry) -> list[str]:
    result = telemetry.result([])
    assert result is not None
    return list(result["notes"])


class NvmlError(Exception):
    """What pynvml raises."""


def library(**broken: Any) -> Any:
    """Return a stand-in for pynvml with two GPUs, or as ``broken`` says."""
    calls: dict[str, Any] = {
        "NVMLError": NvmlError,
        "NVML_TEMPERATURE_GPU": 0,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda number: number,
        "nvmlDeviceGetUUID": lambda gpu: f"GPU-{gpu}".encode(),
        "nvmlDeviceGetName": lambda gpu: "NVIDIA H200",
        "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=50, memory=1),
        "nvmlDeviceGetPowerUsage": lambda gpu: 350_000,
        "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(used=2**30),
        "nvmlDeviceGetTemperature": lambda gpu, sensor: 60,
        "nvmlDeviceGetTotalEnergyConsumption": lambda gpu: 9_000,
    }
    return SimpleNamespace(**(calls | broken))


def fails(*_: object) -> None:
    """Be a call that is not supported."""
    raise NvmlError


def test_local_gpus_are_read() -> None:
    """Each GPU tells its use, power, memory, temperature and energy in plain units."""
    readings = Gpus(library()).read()
    assert readings.gpus == {"GPU-0": "NVIDIA H200", "GPU-1": "NVIDIA H200"}
    assert {name: value for (name, gpu), value in readings.values.items() if gpu == "GPU-1"} == {
        "nvml:utilisation": 0.5,
        "nvml:power": 350.0,
        "nvml:memory": 2.0**30,
        "nvml:temperature": 60.0,
        "nvml:energy": 9.0,
    }


def test_what_a_gpu_does_not_tell_is_left_out() -> None:
    """A figure that is not supported leaves the others; no driver is no GPU."""
    readings = Gpus(library(nvmlDeviceGetUtilizationRates=fails)).read()
    assert ("nvml:utilisation", "GPU-0") not in readings.values
    assert readings.values["nvml:power", "GPU-0"] == 350.0
    assert not Gpus(library(nvmlInit=fails))
