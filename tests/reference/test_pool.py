"""The pool answers as the recognizer does, and outlives whatever happens to its processes."""

import asyncio
import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from soundcheck import suites
from soundcheck.audio.phrases import load_phrases
from soundcheck.audio.speech import Synthesizer
from soundcheck.reference.pool import RecognizerFailure, RecognizerPool
from soundcheck.reference.recognizer import Recognizer
from soundcheck.reference.selection import Studio, encode
from soundcheck.reference.transcript import TooLong, Undecodable

IDS = ("hello", "garden", "train")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("uploads")
    phrases = load_phrases(suites.folder("fixtures") / "phrases.toml")
    paths = [folder / name for name in IDS]
    with Synthesizer() as synthesizer:
        studio = Studio(synthesizer)
        for path, name in zip(paths, IDS, strict=True):
            path.write_bytes(encode(studio.speak(phrases[name]), "mp3"))
    return paths


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


@pytest.fixture(scope="module")
def pool() -> Iterator[RecognizerPool]:
    with RecognizerPool(2) as one:
        yield one


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A file that a worker opens and then waits on, until somebody writes to it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


async def opened(path: Path) -> io.FileIO:
    """Wait until a worker has opened the pipe, and return its other end."""
    return await asyncio.to_thread(io.FileIO, path, "w")


def processes() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [one for one in found if one.status() != psutil.STATUS_ZOMBIE]


def reading(path: Path) -> psutil.Process:
    """Return the worker that has the pipe open."""
    for one in processes():
        folder = Path(f"/proc/{one.pid}/fd")
        with contextlib.suppress(OSError):
            if any(link.resolve() == path.resolve() for link in folder.iterdir()):
                return one
    raise AssertionError("no worker has the pipe open")


def test_many_requests_at_once_are_answered_as_one_by_one(
    runner: asyncio.Runner, pool: RecognizerPool, files: list[Path]
) -> None:
    """Concurrent requests, more than workers, give what the recognizer itself gives."""
    recognizer = Recognizer()
    expected = [recognizer.transcribe(path) for path in files]

    async def all_at_once() -> list[object]:
        return list(await asyncio.gather(*(pool.transcribe(path) for path in files * 2)))

    assert expected[0].text == "Hello World."
    assert runner.run(all_at_once()) == expected * 2


def test_refusals_reach_the_caller(
    runner: asyncio.Runner, pool: RecognizerPool, files: list[Path], tmp_path: Path
) -> None:
    """What is no audio and what is too long are told as the recognizer tells it."""
    (tmp_path / "text").write_text("no audio")
    with pytest.raises(Undecodable, match="not audio"):
        runner.run(pool.transcribe(tmp_path / "text"))
    with pytest.raises(TooLong) as caught:
        runner.run(pool.transcribe(files[1], 1.5))
    assert caught.value.limit_seconds == 1.5
    with pytest.raises(RecognizerFailure, match="FileNotFoundError"):
        runner.run(pool.transcribe(tmp_path / "gone"))
    assert runner.run(pool.transcribe(files[0])).text == "Hello World."


def test_a_worker_that_dies_fails_one_request(
    runner: asyncio.Runner, pool: RecognizerPool, files: list[Path], pipe: Path
) -> None:
    """Killing a worker in the middle fails its own request, and no other."""

    async def killed() -> None:
        request = asyncio.create_task(pool.transcribe(pipe))
        with await opened(pipe):
            reading(pipe).kill()
            with pytest.raises(RecognizerFailure, match="ended"):
                await request
        texts = [found.text for found in await asyncio.gather(*map(pool.transcribe, files))]
        assert texts[0] == "Hello World."
        assert all(texts)

    runner.run(killed())


def test_cancelling_frees_the_worker_at_once(
    runner: asyncio.Runner, files: list[Path], pipe: Path
) -> None:
    """A cancelled request ends its worker, and the only slot goes to the next request."""

    async def cancelled(pool: RecognizerPool) -> None:
        request = asyncio.create_task(pool.transcribe(pipe))
        with await opened(pipe):
            worker = reading(pipe)
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request
            assert (await pool.transcribe(files[0])).text == "Hello World."
            await asyncio.to_thread(_gone, worker)

    with RecognizerPool(1) as pool:
        runner.run(cancelled(pool))


def test_who_leaves_early_frees_the_worker(runner: asyncio.Runner, files: list[Path]) -> None:
    """Leaving before the last segment ends the worker; the next request gets its own answer."""

    async def left(pool: RecognizerPool) -> None:
        async with pool.listen(files[0]) as heard:
            assert heard.duration > 1
        async with pool.listen(files[1]) as heard:
            texts = [segment.text async for segment in heard.segments]
        assert texts == [(await pool.transcribe(files[1])).text]

    with RecognizerPool(1) as pool:
        runner.run(left(pool))


def _gone(process: psutil.Process) -> None:
    """Wait until a process that is not our child has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            os.sched_yield()


def test_the_nursery_may_die_too(runner: asyncio.Runner, files: list[Path], pipe: Path) -> None:
    """When the process that forks the workers is gone, another is started for the next worker."""

    async def orphaned(pool: RecognizerPool) -> None:
        assert (await pool.transcribe(files[0])).text == "Hello World."
        request = asyncio.create_task(pool.transcribe(pipe))
        with await opened(pipe):
            (nursery,) = [one for one in processes() if one.ppid() == os.getpid()
                          and one not in before]  # fmt: skip
            nursery.kill()
            nursery.wait()
            assert (await pool.transcribe(files[0])).text == "Hello World."
            request.cancel()
            with pytest.raises(asyncio.CancelledError):
                await request

    before = processes()
    with RecognizerPool(2) as pool:
        runner.run(orphaned(pool))


def test_closing_leaves_no_process(runner: asyncio.Runner, files: list[Path], pipe: Path) -> None:
    """Closing ends all processes, and a request under way fails instead of waiting for ever."""

    async def closed(pool: RecognizerPool) -> None:
        await pool.transcribe(files[0])
        request = asyncio.create_task(pool.transcribe(pipe))
        with await opened(pipe):
            pool.close()
            with pytest.raises(RecognizerFailure):
                await request
        with pytest.raises(RecognizerFailure, match="closed"):
            await pool.transcribe(files[0])

    before = set(processes())
    with RecognizerPool(2) as pool:
        runner.run(closed(pool))
    assert set(processes()) <= before


def test_workers_share_what_they_were_forked_from(
    runner: asyncio.Runner, files: list[Path]
) -> None:
    """A worker's own memory stays below 60 MiB, and what it shares below 150 MiB."""
    before = set(processes())  # another test's deployments may be among them
    with RecognizerPool(2) as pool:
        runner.run(pool.transcribe(files[1]))
        ours = set(processes()) - before
        assert len(ours) == 2  # the nursery and one worker
        for one in ours:
            memory = one.memory_full_info()
            assert memory.uss < 60 << 20
            assert memory.rss < 150 << 20
