"""report.html is one true, closed, legible page whatever a server answered."""

import base64
import hashlib
import itertools
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundcheck.report import write_reports
from soundcheck.report.html import render_html
from soundcheck.report.page import TEMPLATES
from soundcheck.report.printable import printable
from soundcheck.report.run import Result, Run, Target, count_requirements

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]
MakeExchange = Callable[..., dict[str, Any]]
PageWith = Callable[[str], tuple["Page", str]]
VOID = frozenset({"meta", "link", "br", "img", "rect", "input"})


@dataclass
class Page(HTMLParser):
    """What a page holds: its elements in order, their attributes, and its text."""

    source: str
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    text: str = ""
    open: list[str] = field(default_factory=list)
    assets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and its attributes."""
        if tag == "span" and ("class", "esc") in attrs:
            tag = "esc"  # a marked replacement: as many as the text needs
        else:
            self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that is open, which must be this one."""
        if tag not in VOID:
            opened = self.open.pop()
            assert opened == tag or (opened, tag) == ("esc", "span")

    def handle_data(self, data: str) -> None:
        """Keep text, apart from that of style and script."""
        if self.open and self.open[-1] in ("script", "style"):
            self.assets[self.open[-1]] = data
        else:
            self.text += data

    def values(self, attribute: str) -> list[str]:
        """Return every value of ``attribute``, in order."""
        return [value for _, name, value in self.attributes if name == attribute]


@pytest.fixture
def page(run_folder: Path) -> Page:
    write_reports(run_folder)
    return Page((run_folder / "report.html").read_text(encoding="utf-8"))


def test_the_verdict_comes_first(page: Page) -> None:
    """Headline, sentence, failed requirements and notes precede everything else."""
    order = (
        "Not conformant\n",
        "2 of 5 required rules fail. 1 more fails and is waived.",
        "schema/verbose-duration-number",
        "2 of 41 requests needed another attempt",
        "staging at http://127.0.0.1:41234/v1",
        "Encryption during processing",
        "Failed 2",
        "expected a JSON number",
        "Could not be judged 1",
        "Warnings 1",
        "Waived 1",
        "For information 1",
        "All requirements 12",
        "Left out, and why 3",
        "Judged by soundcheck 0.1.0",
    )
    positions = [page.text.index(words) for words in order]
    assert positions == sorted(positions)


def test_the_facts_of_the_run_are_told(page: Page) -> None:
    """Model, profile, effort, dialect, duration, cost and the key's variable are there."""
    for fact in (
        "whisper-large-v3",
        "vllm, effort quick",
        "from $STAGING_KEY",
        "2026-11-22 11:49:48 UTC, took 12.3 s",
        "41 requests, 3.1 audio minutes, 7.7 MiB uploaded",
        "44 requests, 3.4 audio minutes, 8.7 MiB uploaded",
    ):
        assert fact in page.text


def test_a_failure_comes_with_its_evidence(page: Page) -> None:
    """Rule, source, request, answer with headers, body and a curl line stand under the failure."""
    start, end = page.text.index("Failed 2"), page.text.index("Could not be judged")
    finding = page.text[start:end]
    for words in (
        "The duration in a verbose_json answer is a JSON number",
        "vllm-project/vllm#49068",
        "STT-SCHEMA-009",
        "response_format: verbose_json",
        "200 OK",
        "server: uvicorn",
        '"duration": "3.75"',
        "soundcheck fixtures export --all DIR",
        '--header "Authorization: Bearer $STAGING_KEY"',
        "reset: the server closed the connection after 65,536 bytes",
        "3 attempts",
        "Other cases: 7 pass.",
    ):
        assert words in finding


def test_requirements_left_out_stand_with_their_reason(page: Page) -> None:
    """Requirements that share a reason are listed once under it."""
    left_out = page.text[page.text.index("Left out, and why") :]
    assert left_out.count("the profile does not claim the capability word-times") == 1
    assert left_out.index("schema/words-complete") < left_out.index("schema/word-times-inside")
    assert "needs --effort full" in left_out


def test_every_requirement_has_one_anchor_and_every_link_a_target(
    page: Page, make_run: MakeRun, run_folder: Path
) -> None:
    """Ids are unique, requirement ids among them; links go to them or to files of the run."""
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {result.id for result in make_run().results} <= set(ids)
    for link in page.values("href"):
        target = run_folder / link
        assert link[1:] in ids if link.startswith("#") else target.is_file() or "exchanges/" in link


def test_the_page_loads_nothing_and_runs_only_its_own_script(page: Page) -> None:
    """No element or attribute refers to anything outside; the policy names style and script."""
    assert not {"img", "link", "iframe", "object", "form"} & set(page.tags)
    assert page.values("src") == []
    assert page.values("style") == []
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import", page.assets["style"])
    policy = next(value for value in page.values("content") if "default-src" in value)
    assert "default-src 'none'" in policy
    for name in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.assets[name].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_headings_are_in_order_and_tables_have_headers(page: Page) -> None:
    """One h1, no level left out on the way down, and column headers with their scope."""
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.tags.count("th") == page.values("scope").count("col") > 0
    assert page.tags.count("table") == page.tags.count("thead")
    assert ("html", "lang", "en") in page.attributes


def test_everything_is_there_without_the_script(page: Page) -> None:
    """The script writes nothing: what it unfolds are plain details elements."""
    script = (TEMPLATES / "report.js").read_text()
    assert not re.search(r"innerHTML|write|fetch|eval|createElement", script)
    assert "details" in page.tags


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_contrast(scheme: str) -> None:
    """Every colour of text stands out from every ground it is used on, at least 4.5 to 1."""
    style = (TEMPLATES / "report.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", blocks[scheme == "dark"]))
    grounds = {"ground": ("ink", "quiet", "link", "good", "bad", "odd", "warn")}
    grounds["raised"] = ("ink", "quiet", "link", "bad")
    grounds["plain-tint"] = ("ink", "quiet", "bad")
    for name in ("good", "bad", "odd", "warn"):
        grounds[f"{name}-tint"] = ("ink", name)
    for ground, inks in grounds.items():
        for ink in inks:
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


FRAGMENTS = st.sampled_from(
    [
        *("</script>", "<script>alert(1)</script>", "<!--", "-->", "]]>", "<![CDATA[", "</pre>"),
        *('" onload="x', "' x='", "&lt;", "&amp;#0;", "{{ 7*7 }}", "{% raw %}", "\x00", "\x1b[2J"),
        *("\u202e", "\u2066", "\ud800", "\udfff", "\ufffe", "\r\n", "\t", "<svg/onload=x>"),
    ]
)
HOSTILE = st.lists(
    st.one_of(FRAGMENTS, st.text(st.characters(exclude_categories=()))), min_size=1, max_size=5
).map("".join)


@pytest.fixture(scope="module")
def folder() -> Any:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "exchanges").mkdir()
        yield Path(name)


def everywhere(text: str, document: Any, member: str = "") -> Any:
    """Return a part of an exchange with ``text`` in place of every text that is a server's."""
    match document:
        case dict():
            return {name: everywhere(text, value, name) for name, value in document.items()}
        case list():
            return [everywhere(text, one) for one in document]
        case str() if member == "body":
            return base64.b64encode(json.dumps({"member": text}).encode()).decode()
        case str() if member not in ("scheme", "direction"):
            return text
    return document


def hostile_page(
    folder: Path,
    make_run: MakeRun,
    make_result: MakeResult,
    make_exchange: MakeExchange,
    tapped: dict[str, Any],
    inspection: dict[str, Any],
    text: str,
) -> tuple[Page, str]:
    """Render a run in which ``text`` stands wherever a server or a profile could put it."""
    document = make_exchange("x", body=text, reason=text, headers=[["x-header", text]])
    document["request"]["headers"] = [["x-header", text]]
    document["request"]["parts"] = [{"name": "prompt", "value": text.replace("\0", "")}]
    document["request"]["body"] = text
    document["tapped"] = everywhere(text, tapped)
    look = make_exchange("x", response=None) | {"inspection": everywhere(text, inspection)}
    look["request"] |= {"method": "TLS", "parts": [], "headers": []}
    (folder / "exchanges" / f"{'2' * 16}.json").write_text(json.dumps(look))
    (folder / "exchanges" / f"{'0' * 16}.json").write_text(json.dumps(document))
    frame = "".join(text.split())  # one frame whatever it holds
    stream = make_exchange("x", headers=[["content-type", "text/event-stream"]], status=500)
    stream["response"] |= {"body": {"text": f"data: x{frame}\n\n"}, "reason": text}
    (folder / "exchanges" / f"{'1' * 16}.json").write_text(json.dumps(stream))
    texts = {"rule": text, "source": text, "message": text, "found": text}
    both = ("0" * 16, "1" * 16, "2" * 16)
    results = [
        make_result(verdict="fail", case=text, test=text, exchanges=both, **texts),
        make_result(case=f"{text}!", exchanges=both, **texts),
        make_result(id="a/c", verdict="not-applicable", **texts),
        make_result(id="a/d", verdict="fail", exchanges=("1" * 16,)),
    ]
    run = make_run(
        results=results,
        notes=(text,),
        replay_of=text,
        profile=text,
        target=Target(base_url=text, model=text, profile=text),
    )
    source = render_html(run, folder)
    return Page(source), source


@pytest.fixture(scope="module")
def page_with(
    folder: Path,
    make_run: MakeRun,
    make_result: MakeResult,
    make_exchange: MakeExchange,
    tapped: dict[str, Any],
    inspection: dict[str, Any],
) -> PageWith:
    """Return the function that renders a run with a text in every place."""
    return partial(hostile_page, folder, make_run, make_result, make_exchange, tapped, inspection)


@pytest.fixture(scope="module")
def harmless(page_with: PageWith) -> Page:
    return page_with("harmless")[0]


@settings(max_examples=80)
@given(text=HOSTILE)
def test_server_text_never_becomes_markup(page_with: PageWith, harmless: Page, text: str) -> None:
    """Hostile text in every place gives the same elements and attributes as harmless text."""
    page, source = page_with(f"a{text}a")
    assert page.tags == harmless.tags
    assert page.open == []
    assert [a[:2] for a in page.attributes if a[0] != "esc"] == [
        a[:2] for a in harmless.attributes if a[0] != "esc"
    ]
    assert page.assets == harmless.assets
    assert printable(f"a{text}a") in page.text
    assert printable(source) == source
    source.encode("utf-8")


def test_what_a_tap_saw_stands_with_the_exchange(
    make_run: MakeRun,
    make_result: MakeResult,
    make_exchange: MakeExchange,
    tapped: dict[str, Any],
    inspection: dict[str, Any],
    tmp_path: Path,
) -> None:
    """Connection, change, leak with its bytes, headers and values; TLS facts as a table."""
    (tmp_path / "exchanges").mkdir()
    exchanges = {"0" * 16: {"tapped": tapped}, "1" * 16: {"inspection": inspection}}
    for digest, seen in exchanges.items():
        document = make_exchange("x", response=None) | seen
        document["request"]["method"] = "POST" if "tapped" in seen else "TLS"
        (tmp_path / "exchanges" / f"{digest}.json").write_text(json.dumps(document))
    run = make_run(results=[make_result(verdict="fail", exchanges=tuple(exchanges))])
    page = Page(render_html(run, tmp_path))
    for words in (
        "Between the proxy and its API (1 hop, 1 sealed value, 1 leak)",
        "connection 1, TLSv1.2 with ECDHE-RSA-X · the tap's change: flip a bit of the file's tag",
        "prompt readable (raw) in the request head, at byte 20\n"
        "00000000  3c736372 6970743e  <script>",
        "x-note: <b>markup</b>",
        "IV 1c1c1c1c…, nonce 0b0b0b0b…, secret AAAAAAAA…",
        "TLS as it was seen from outside",
        "TLS 1.3 accepted, TLS 1.0 refused, SSL 3.0 not seen",
    ):
        assert words in page.text
    assert page.text.count("Again, by hand") == 1


def test_a_message_of_a_megabyte_is_cut(make_run: MakeRun, tmp_path: Path) -> None:
    """A huge message shows its beginning and says how long it is."""
    results = [replace(make_run().results[2], message="x" * 2**20, exchanges=())]
    source = render_html(make_run(results=results), tmp_path)
    assert len(source) < 60_000
    assert "(1,048,576 characters)" in source


def test_missing_evidence_is_told(run_folder: Path) -> None:
    """A report is written although an exchange is gone; it says which."""
    for path in (run_folder / "exchanges").iterdir():
        path.unlink()
    write_reports(run_folder)
    text = Page((run_folder / "report.html").read_text()).text
    assert "cannot be shown: exchanges/" in text
    assert "there is no such file" in text


def test_an_empty_run_has_a_page(make_run: MakeRun, tmp_path: Path) -> None:
    """A run that was interrupted before anything was judged says so."""
    run = make_run(results=(), verdict="incomplete", counts=count_requirements(()))
    page = Page(render_html(run, tmp_path))
    assert "No verdict" in page.text
    assert "This run judged nothing." in page.text


def test_a_run_that_was_judged_again_says_so_in_its_headline(
    make_run: MakeRun, tmp_path: Path
) -> None:
    """What was recorded, and when, stands before the failures; other runs say nothing of it."""
    page = Page(
        render_html(make_run(replay_of="2026-11-21T08:00:00Z by soundcheck 0.0.9"), tmp_path)
    )
    told = "Judged again from a recorded run of 2026-11-21T08:00:00Z by soundcheck 0.0.9."
    assert page.text.index("Not conformant\n") < page.text.index(told) < page.text.index("Failed 2")
    assert "Judged again" not in Page(render_html(make_run(), tmp_path)).text


def test_what_was_found_is_told_also_of_rules_that_are_kept(
    make_run: MakeRun, make_result: MakeResult, tmp_path: Path
) -> None:
    """The same finding of several cases stands once, with the cases; without any, no section."""
    limit = "the limit is 26,214,400 bytes"
    results = [
        *(make_result(id="limits/at", area="limits", case=c, found=limit) for c in ("wav", "flac")),
        make_result(id="limits/at", area="limits", case="ogg", found="no limit was met"),
        make_result(id="streaming/on", area="streaming", found="streams in the vllm dialect"),
    ]
    text = Page(render_html(make_run(results=results), tmp_path)).text
    section = text[text.index("Findings 2") : text.index("All requirements")]
    assert section.count(limit) == 1
    assert f"{limit} (wav, flac)" in section
    assert "no limit was met (ogg)" in section
    assert "streams in the vllm dialect\n" in section
    assert "Findings" not in Page(render_html(make_run(), tmp_path)).text


def test_areas_are_chapters_with_their_counts(page: Page) -> None:
    """The overview leads to each area's chapter, and both tell its counts."""
    tally = "1 fail, 1 waived, 1 not-selected"
    assert "#area-formats" in page.values("href")
    assert page.text.index(f"formats {tally}") < page.text.index("Failed 2")
    chapters = page.text[page.text.index("All requirements") :]
    assert f"formats {tally}" in chapters
    assert "9 cases: 7 pass, 1 fail, 1 error" in chapters
    assert "7 cases passed" in chapters


def test_every_requirement_can_be_filtered(page: Page, make_run: MakeRun) -> None:
    """Each row of the chapters, each finding and each one left out says what filters ask for."""
    facets = {
        name: [value for tag, key, value in page.attributes if (tag, key) == ("tr", f"data-{name}")]
        for name in ("verdict", "level", "area")
    }
    requirements = len({result.id for result in make_run().results})
    assert {name: len(values) for name, values in facets.items()} == dict.fromkeys(
        facets, requirements
    )
    for tag, number in (("article", 6), ("li", 3)):
        assert len([1 for one in page.attributes if one[:2] == (tag, "data-verdict")]) == number


def test_filters_are_there_with_the_script_only(page: Page) -> None:
    """Without it nothing is hidden but the controls themselves."""
    hidden = [tag for tag, name, _ in page.attributes if name == "hidden"]
    assert hidden == ["div"]
    assert page.values("role").count("search") == 1


def test_requests_and_answers_that_took_time_tell_it(
    make_run: MakeRun, make_result: MakeResult, make_exchange: MakeExchange, tmp_path: Path
) -> None:
    """Interim answers, an early answer and the frames of a stream stand in the evidence."""
    early = make_exchange("early", status=413, interim=[[100, 0.01]])
    early["request"] |= {"sent_bytes": 1_048_576, "body_bytes": 60_000_000}
    stream = make_exchange(
        "stream",
        headers=[["content-type", "text/event-stream"]],
        body='data: {"delta": "The"}\n\ndata: [DONE]\n\n',
        chunks=[[0.5, 24], [1.75, 14]],
    )
    (tmp_path / "exchanges").mkdir()
    for document in (early, stream):
        path = tmp_path / "exchanges" / f"{document['digest']}.json"
        path.write_text(json.dumps(document))
    results = [
        make_result(id=f"a/{name}", verdict="fail", exchanges=(document["digest"],))
        for name, document in (("early", early), ("stream", stream))
    ]
    text = Page(render_html(make_run(results=results), tmp_path)).text
    assert "100 Continue after 10 ms\n413 OK" in text
    assert "answered after 1,048,576 of 60,000,000 bytes" in text
    assert "2 frames in 2 chunks, the first after 500 ms, the longest gap 1.2 s" in text
    assert '10.500{"delta": "The"}' in text
    assert "21.7501.250[DONE]" in text


def test_rules_with_one_cause_are_linked(
    make_run: MakeRun, make_result: MakeResult, make_exchange: MakeExchange, tmp_path: Path
) -> None:
    """Each of two rules that fail on one 500 leads to the other and to the exchange."""
    document = make_exchange("x", status=500, reason="Internal Server Error")
    (tmp_path / "exchanges").mkdir()
    (tmp_path / "exchanges" / f"{document['digest']}.json").write_text(json.dumps(document))
    digests = (document["digest"],)
    results = [make_result(id=f"a/{n}", verdict="fail", exchanges=digests) for n in "bc"]
    page = Page(render_html(make_run(results=results), tmp_path))
    assert "Same cause as a/c: 500 Internal Server Error" in page.text
    assert "Same cause as a/b: 500 Internal Server Error" in page.text
    assert page.values("href").count(f"#exchange-{document['digest']}") == 3


def test_a_big_run_in_which_all_fails_stays_small(
    make_run: MakeRun, make_result: MakeResult, make_exchange: MakeExchange, tmp_path: Path
) -> None:
    """200 requirements of 10 cases with 500 exchanges, each of a large body, stay below 5 MB."""
    (tmp_path / "exchanges").mkdir()
    digests = []
    for number in range(500):
        document = make_exchange(str(number), body='{"text": "<b>"}' * 3000, status=500)
        if number % 5 == 0:
            document["response"]["headers"] = [["content-type", "text/event-stream"]]
            document["response"]["body"]["text"] = f"data: {'x' * 500}\n\n" * 100
        digests.append(document["digest"])
        path = tmp_path / "exchanges" / f"{document['digest']}.json"
        path.write_text(json.dumps(document))
    results = [
        make_result(
            id=f"area-{rule % 12}/rule-{rule}",
            area=f"area-{rule % 12}",
            case=f"case {case}",
            verdict="fail",
            message="status 500 for a request that should be answered; " * 20,
            exchanges=(digests[(rule * 10 + case) % 500], digests[(rule * 7 + case) % 500]),
        )
        for rule in range(200)
        for case in range(10)
    ]
    size = len(render_html(make_run(results=results), tmp_path).encode())
    assert size < 5_000_000


BROWSER = shutil.which("chromium")


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
@pytest.mark.parametrize(
    ("fragment", "status", "visible"),
    [
        ("#?verdict=fail,warn&level=MUST", "2 of 12 requirements shown", 2),
        ("#?verdict=&area=schema", "7 of 12 requirements shown", 7),
        ("#?text=WAIVED+2027", "1 of 12 requirements shown", 1),
        ("#?area=nowhere&verdict=unknown&surprise=1", "12 requirements", 12),
    ],
)
def test_a_filtered_view_can_be_linked(
    run_folder: Path, tmp_path: Path, fragment: str, status: str, visible: int
) -> None:
    """What stands in the address is what is shown, counted and no more; the rest is hidden."""
    write_reports(run_folder)
    assert BROWSER is not None
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]
    switches += ["--disable-background-networking", "--disable-component-update", "--disable-quic"]
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    address = (run_folder / "report.html").as_uri() + fragment
    done = subprocess.run(
        [BROWSER, *switches, profile, address],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,  # seconds, should the browser never end
    )
    assert f'role="status">{status}<' in done.stdout
    rows = re.findall(r"<tr data-id=[^>]*>", done.stdout)
    assert len([row for row in rows if "hidden" not in row]) == visible


def test_an_exchange_is_shown_once_and_then_linked(page: Page) -> None:
    """A recorded answer that several rules read stands once; later mentions link to it."""
    assert len([value for value in page.values("id") if value.startswith("exchange-")]) == 4
    assert "shown above" in page.text
