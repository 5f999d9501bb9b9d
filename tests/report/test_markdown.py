"""summary.md says the verdict first, and nothing a server wrote is read as Markdown."""

import re
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from soundcheck.report.markdown import code, escaped, fenced, render_markdown
from soundcheck.report.printable import one_line, printable
from soundcheck.report.run import Run, Target

MakeRun = Callable[..., Run]
HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *("```", "`", "~~~", "</details>", "<img src=x>", "[a](http://x)", "![a](b)"),
                *("|", "\n\n# h", "\n- x", "\\", "@someone", "owner/repo#1", "\x00", "\ud800"),
                *("**b**", "$x$", "&lt;", "\n---\n", "    code", "\u202e", "<!--", "http://x.y"),
            ]
        ),
        st.text(st.characters(exclude_categories=())),
    ),
    max_size=6,
).map("".join)


def tokens(markdown: str) -> list[Token]:
    found: list[Token] = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        found += [token, *(token.children or [])]
    return found


def test_the_summary_says_what_matters_in_order(make_run: MakeRun) -> None:
    """Verdict, counts, cost, failures with their messages, warnings, and what cannot be seen."""
    summary = render_markdown(make_run())
    order = (
        "## Not conformant: `whisper-large-v3` (`vllm` profile)",
        "2 of 5 required rules fail. 1 more fails and is waived.",
        "**Note:** `2 of 41 requests needed another attempt`",
        "| failed | untestable | warned | waived |",
        "**Cost:** 41 requests",
        "### Failed (2)",
        "`schema/verbose-duration-number`",
        '"duration" is the string "3.75"',
        "fail for `webm`",
        "error for `m4a`",
        "### Could not be judged (1)",
        "### Warnings (1)",
        "### Waived (1)",
        "### Not observable from outside",
    )
    positions = [summary.index(words) for words in order]
    assert positions == sorted(positions)


def test_a_good_run_still_shows_that_nothing_failed(make_run: MakeRun) -> None:
    """A table with zero failures is there when everything passed."""
    results = [replace(make_run().results[0], verdict="pass")]
    summary = render_markdown(make_run(results=results, verdict="conformant"))
    assert "| failed | passed |\n| --: | --: |\n| 0 | 1 |" in summary
    assert "### Failed" not in summary


@settings(max_examples=100)
@given(text=HOSTILE)
def test_server_text_stays_in_code(make_run: MakeRun, text: str) -> None:
    """Hostile text in every place gives the blocks of harmless text: no link, HTML or heading."""

    def summary(message: str) -> list[Token]:
        result = replace(
            make_run().results[2], message=message, case=f"a{message}", found=f"a{message}"
        )
        target = Target(base_url=f"a{message}", model=f"a{message}", profile="vllm")
        return tokens(
            render_markdown(
                make_run(
                    results=[result],
                    notes=(f"a{message}",),
                    target=target,
                    profile=message,
                    replay_of=f"a{message}",
                )
            )
        )

    found = summary(text)
    assert [token.type for token in found] == [token.type for token in summary("harmless")]
    fences = [token.content for token in found if token.type == "fence"]
    if len(text) < 300:
        assert fences == [printable(text or "(no message)") + "\n"]


@given(HOSTILE)
def test_a_code_span_holds_exactly_the_line(text: str) -> None:
    """No backtick in the text ends its span."""
    spans = [token for token in tokens(f"x {code(text)} y") if token.type == "code_inline"]
    assert len(spans) == 1
    assert spans[0].content.strip() == one_line(text, 700).strip()


@given(HOSTILE)
def test_a_fence_holds_exactly_the_text(text: str) -> None:
    """No line of the text ends its block."""
    blocks = [token for token in tokens("\n".join(fenced(text, ""))) if token.level == 0]
    assert [block.type for block in blocks] == ["fence"]


@given(HOSTILE)
def test_escaped_words_are_words(text: str) -> None:
    """Escaping leaves text tokens only, that read as the text itself."""
    inline = [token for token in tokens(f"x: {escaped(text)}.") if token.level == 0]
    kinds = {token.type for token in tokens(f"x: {escaped(text)}.")}
    assert len(inline) <= 3 + len(kinds)
    assert kinds <= {"paragraph_open", "inline", "text", "text_special", "paragraph_close"}


def test_findings_have_their_section(make_run: MakeRun) -> None:
    """What was found is listed with its requirement and cases; without any there is no section."""
    base = replace(make_run().results[0], verdict="pass", found="the limit is 26,214,400 bytes")
    results = [replace(base, case=case) for case in ("wav", "flac")]
    summary = render_markdown(make_run(results=results, verdict="conformant"))
    line = "- `schema/json-text` (`wav`, `flac`): `the limit is 26,214,400 bytes`"
    assert f"### Findings (1)\n\n{line}\n" in summary
    assert "### Findings" not in render_markdown(make_run())


def test_a_run_that_was_judged_again_says_so(make_run: MakeRun) -> None:
    """The recorded run is named below the verdict."""
    summary = render_markdown(make_run(replay_of="reports/a `b`"))
    assert "Judged again from a recorded run of `` reports/a `b` ``." in summary


def test_cases_that_say_the_same_stand_together(make_run: MakeRun) -> None:
    """Formats that fail alike are one message with their names."""
    base = replace(make_run().results[2], message="no text")
    results = [replace(base, case=case) for case in ("mp3", "ogg")]
    summary = render_markdown(make_run(results=results))
    assert "fail for `mp3`, `ogg`\n\n  ```text\n  no text\n" in summary


def test_many_failures_stay_a_summary(make_run: MakeRun) -> None:
    """Hundreds of failures with long messages stay far below what a job summary may hold."""
    base = make_run().results[2]
    results = [
        replace(base, id=f"schema/r{number}", message="x" * 10_000, case=str(case))
        for number in range(100)
        for case in range(20)
    ]
    summary = render_markdown(make_run(results=results))
    assert len(summary) < 500_000
    assert "And 60 more in `report.html`." in summary
    assert re.search(r"And 8 cases more in `report.html`", summary)
