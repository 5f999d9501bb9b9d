"""The reports of a load run: honest, self-contained, safe, and the same for the same run."""

import hashlib
import io
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soundcheck.report.bench import load_bench
from soundcheck.report.bench_reports import write_bench_reports
from soundcheck.report.bench_svg import COLOURS, drawing, new_figure, to_svg
from soundcheck.report.bench_terminal import render

MakeBench = Callable[..., Path]
VOID = {"meta", "link", "br", "hr", "img", "input"}


def _printed(folder: Path, width: int) -> str:
    """Return what the terminal shows of a run when its output is a pipe."""
    file = io.StringIO()
    Console(width=width, file=file).print(render(load_bench(folder), folder, width))
    return file.getvalue()


class Page(HTMLParser):
    """Ids, links, attributes and balance of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.names.add(name)
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "xlink:href"):
                self.links.append(value or "")
            elif name == "aria-labelledby":
                self.links += [f"#{one}" for one in (value or "").split()]
            elif value and value.startswith("url("):
                self.links.append(value[4:-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: D102
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:  # noqa: D102
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:  # noqa: D102
        if self.open and self.open[-1] != "style":
            self.words += data


@dataclass(frozen=True)
class Shown:
    """A run of one kind with its reports."""

    folder: Path
    text: str
    page: Page

    @property
    def words(self) -> str:  # noqa: D102
        return self.page.words.replace("\u00a0", " ")


def shown(folder: Path) -> Shown:
    write_bench_reports(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    return Shown(folder, text, Page(text))


@pytest.fixture(scope="module")
def reports(
    tmp_path_factory: pytest.TempPathFactory, write_kind: Callable[..., Path]
) -> Callable[[str], Shown]:
    """Return a function that has a run of a kind with its reports, made once for all tests."""
    place = tmp_path_factory.mktemp("benches")

    @cache
    def made(kind: str) -> Shown:
        windows = {"saturation": 5, "gpu": 8, "steady": 8, "invalid": 8}
        how = {"window": windows[kind]} if kind in windows else {}
        return shown(write_kind(place / kind, kind, **how))

    return made


@pytest.mark.parametrize("kind", ["steady", "saturation", "gpu", "invalid", "failed", "closed"])
def test_the_page_is_whole_and_loads_nothing(reports: Callable[[str], Shown], kind: str) -> None:
    """Elements are closed, ids unique, links lead somewhere, and no script or style slips in."""
    text, page = reports(kind).text, reports(kind).page
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    beside = {"bench.json", "samples.csv.gz", "summary.md"}
    assert all(link in beside or link.removeprefix("#") in page.ids for link in page.links)
    assert "script" not in page.tags
    assert not {name for name in page.names if name.startswith("on") or name == "style"}
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in text
    assert "\x1b" not in text
    assert "nan" not in re.findall("[a-z]+", re.sub("<style>.*?</style>", "", text, flags=re.S))


def test_honesty_stands_before_the_figures(reports: Callable[[str], Shown]) -> None:
    """Verdict first, then what speaks for and against the figures, then figures and plots."""
    text, page = reports("saturation").text, reports("saturation").page
    places = [
        text.index(mark)
        for mark in ("<h1>", 'class="banner"', 'id="believed"', 'id="stages"', "<svg")
    ]
    assert places == sorted(places)
    assert {"load-title", "rtfx-title", "timeline-title"} <= set(page.ids)
    assert "distribution-latency-title" in page.ids
    for words in ("p95<1s", "capacity 48.0 to 50.0/s", "INVALID", "closed loop: 402", "offered"):
        assert words in page.words


def test_streams_and_the_server_have_their_parts(reports: Callable[[str], Shown]) -> None:
    """TTFD, gaps, queue, GPUs, energy and cost are shown with units, and only what was measured."""
    words = reports("gpu").words
    assert {"distribution-ttfd-title", "distribution-gap-title"} <= set(reports("gpu").page.ids)
    for told in ("12.3 kJ", "2 (NVIDIA H200)", "972 W", "power, GPU 1", "Requests waiting, most"):
        assert told in words
    assert "memory" not in words
    assert "metrics URL gone from 12.0 s on" in words


def test_an_invalid_window_has_no_percentiles(reports: Callable[[str], Shown]) -> None:
    """A red banner with the limit and what to do; no percentile, distribution or SLO verdict."""
    folder, page = reports("invalid").folder, reports("invalid").page
    assert "all 8 users were waiting" in page.words
    assert "no verdict" in page.words
    assert not [one for one in page.ids if one.startswith("distribution")]
    stage = load_bench(folder).stages[0]
    assert stage.latency_s is not None
    assert stage.latency_s.p50 is not None
    for text in (page.words, (folder / "summary.md").read_text(encoding="utf-8")):
        assert "Latency p50" not in text


def test_text_from_the_server_stays_text(reports: Callable[[str], Shown]) -> None:
    """Markup and escapes in errors and notes are shown, not obeyed, in every report."""
    folder, text, page = reports("failed").folder, reports("failed").text, reports("failed").page
    assert "<script>alert(1)</script>" in page.words
    assert "<b>busy" not in text
    assert "\\x1b[31m" in page.words
    summary = (folder / "summary.md").read_text(encoding="utf-8")
    assert "`503: <b>busy</b>`" in summary
    printed = _printed(folder, 100)
    assert "\x1b" not in printed
    assert "<script>" in printed


def test_labels_are_no_formulas() -> None:
    """A series called like TeX, or in letters that the font lacks, is drawn as it is called."""
    label = "$\\frac{1}{$ <b> 待機"
    with drawing():
        canvas = new_figure(200, 100)
        canvas.text(0.5, 0.5, label, color=COLOURS["ink"])
        svg = to_svg(canvas, "one", "A <title>", "What it shows & more")
    page = Page(svg)
    assert label in page.words
    assert "A <title>" in page.words
    assert page.ids == ["one-title", "one-desc"]
    assert 'class="f-ink"' in svg


def test_the_same_run_gives_the_same_reports(reports: Callable[[str], Shown]) -> None:
    """Reports can be written again and compared byte by byte."""
    folder = reports("gpu").folder
    before = [(folder / name).read_bytes() for name in ("report.html", "summary.md")]
    write_bench_reports(folder)
    assert [(folder / name).read_bytes() for name in ("report.html", "summary.md")] == before


def test_a_run_without_stages_has_a_report(make_bench: MakeBench) -> None:
    """A run that ended before its first window is reported as that."""

    def nothing(document: dict[str, Any]) -> None:
        document |= {"stages": [], "verdict": "incomplete", "problems": ["Ended by the user."]}

    folder = make_bench(change=nothing, window=3)
    page = shown(folder).page
    assert "No window was measured" in page.words
    assert "Ended by the user." in page.words


def test_the_terminal_tells_what_counts(reports: Callable[[str], Shown]) -> None:
    """Finding, limits, a row per stage, SLO, honesty and where the report lies; plain in a pipe."""
    printed = _printed(reports("saturation").folder, 110)
    for words in ("Capacity 48.0 to 50.0 requests/s", "INVALID 64/s: pool", "SLO p95<1s at 48/s"):
        assert words in printed
    for words in ("RTFx at", "windows: 1 of 11 INVALID", "timing error: ", "report.html"):
        assert words in printed


@pytest.mark.parametrize("kind", ["gpu", "saturation", "invalid"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_shows_what_failed(
    reports: Callable[[str], Shown], kind: str, width: int
) -> None:
    """The table fits, its last columns are whole, and those left out are named."""
    folder = reports(kind).folder
    lines = _printed(folder, width).splitlines()
    assert max(map(len, lines)) <= width
    (heading,) = (line for line in lines if line.rstrip().endswith("Window"))
    assert "Failed" in heading
    rows = lines[lines.index(heading) + 1 :][: len(load_bench(folder).stages)]
    assert all(row.rstrip().endswith(("valid", "INVALID", "2nd try")) for row in rows)
    left_out = any(line.startswith("in the report, too: ") for line in lines)
    assert left_out == ("Offered" not in heading)


def test_plots_need_no_writable_home(reports: Callable[[str], Shown], tmp_path: Path) -> None:
    """Without a place for its cache matplotlib draws all the same, and complains to nobody."""
    folder = reports("steady").folder
    (folder / "report.html").unlink()
    nowhere = "/proc/nothing"
    program = (
        "import sys; from pathlib import Path\n"
        "import soundcheck.report.bench_html, soundcheck.report.bench_terminal, soundcheck.cli\n"
        "assert not {'matplotlib', 'numpy', 'jinja2', 'rich'} & sys.modules.keys() - {'rich'}\n"
        "from soundcheck.report.bench_reports import write_bench_reports\n"
        f"write_bench_reports(Path({str(folder)!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": nowhere, "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "report.html").exists()
