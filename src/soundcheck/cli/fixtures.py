"""``soundcheck fixtures``: the audio clips that suites send, made from the recipes."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundcheck.errors import Interrupted, SoundcheckError

if TYPE_CHECKING:
    from soundcheck.audio import Clip, Library, Recipe

app = typer.Typer(
    help="List, make and export the audio clips.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

MANIFEST = "manifest.json"
SCHEMA = "soundcheck/clips/1"

Progress = Callable[["Clip", int, int], None]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Processes that make clips. Default: one per core."),
]


class ExportError(SoundcheckError):
    """The folder to export to cannot be written."""


@app.command(
    name="list",
    epilog="**Examples**: `soundcheck fixtures list` · `soundcheck fixtures list --json`",
)
def list_clips(as_json: Json = False) -> None:
    """List every clip: what it holds, how it is written, and who can check it.

    *Same bytes*: making the clip again gives the same file. *Second decoder*: which decoder, apart
    from the one that belongs to its writer, reads the file whole.
    """
    from soundcheck.audio import Library

    recipes = Library().recipes
    if as_json:
        clips = [{"name": name, **_row(recipe)} for name, recipe in recipes.items()]
        _print_json({"schema": SCHEMA, "clips": clips})
        return
    head = ("clip", "sound", "seconds", "container", "codec", "Hz", "channels", "same bytes")
    rows = [(*head, "second decoder")]
    for name, recipe in recipes.items():
        row = _row(recipe)
        rows.append(
            (
                name,
                row["sound"],
                "" if row["duration"] is None else f"{row['duration']:g}",
                row["container"] or "",
                row["codec"] or "",
                str(row["sample_rate"] or ""),
                str(row["channels"] or ""),
                "yes" if row["same_bytes"] else "no",
                row["second_decoder"] or ("none but FFmpeg" if row["container"] else ""),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for line in rows:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


@app.command(
    epilog="**Examples**: `soundcheck fixtures build` · "
    "`soundcheck fixtures build hello.mp3 sentence.webm --jobs 1`",
)
def build(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Clips. Default: all listed.")
    ] = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make clips into the cache; those that are there already cost nothing.

    Clips lie in the user's cache folder, or in `$SOUNDCHECK_CACHE`.
    """
    from soundcheck.audio import Library

    library = Library()
    clips = _build(library, names or list(library.names()), jobs, quiet, lambda clip: None)
    if as_json:
        _print_json(_manifest(library, list(clips.values())))
    else:
        typer.echo(_amount(list(clips.values())))


@app.command(epilog="**Examples**: `soundcheck fixtures show hello.mp3 --json`")
def show(
    name: Annotated[str, typer.Argument(help="A clip, such as hello.mp3.")],
    as_json: Json = False,
) -> None:
    """Show what is known about one clip, and make it if need be."""
    from soundcheck.audio import Library

    library = Library()
    clip = library.clip(name)
    told = _described(clip, library.recipe(name))
    if as_json:
        _print_json({**told, "path": str(clip.path)})
        return
    words = told.pop("words")
    recipe = told.pop("recipe")
    for key, value in {**told, "path": clip.path, "recipe": json.dumps(recipe)}.items():
        typer.echo(f"{key.replace('_', ' '):12} {'' if value is None else value}".rstrip())
    for word in words:
        typer.echo(f"{word['start']:9.3f} {word['end']:9.3f}  {word['text']}")


@app.command(
    epilog="**Examples**: `soundcheck fixtures export clips` · "
    "`soundcheck fixtures export /tmp/all-clips --all`",
)
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it does not exist.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also variants, exact sizes, damaged and hostile files.")
    ] = False,
    clip: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this one, listed or not; repeatable."),
    ] = None,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Write the speech and signal clips as NAME.EXT, and a manifest.json that describes them.

    The manifest has each clip's digest, size, duration, language, transcript, word times and
    recipe, and the versions of the libraries that made it.
    """
    from soundcheck.audio import Library

    library = Library()
    names = list(dict.fromkeys(clip or ())) or [
        name
        for name, one in library.recipes.items()
        if everything or one.group in ("speech", "signal")
    ]
    for name in names:
        library.recipe(name)  # a wrong name is told before anything is written
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written: list[Clip] = []

    def copy(clip: "Clip") -> None:
        with _writing(folder):
            _copy(clip, folder / clip.name)
        written.append(clip)

    # The first manifest, of no clips, tells at once whether the folder can be written.
    _write_manifest(folder, library, written)
    try:
        _build(library, names, jobs, quiet, copy)
    finally:
        written.sort(key=lambda clip: names.index(clip.name))
        _write_manifest(folder, library, written)
    typer.echo(f"{_amount(written)}, in {folder}")


def _amount(clips: list["Clip"]) -> str:
    """Tell how many clips there are, how large, and how much of that is on the disk."""
    size = sum(clip.size for clip in clips)
    stored = sum(min(clip.size, 512 * clip.path.stat().st_blocks) for clip in clips)
    return f"{len(clips)} clips, {size / 1e6:.1f} MB, of which {stored / 1e6:.1f} MB on the disk"


def _build(
    library: "Library",
    names: list[str],
    jobs: int | None,
    quiet: bool,
    finished: Callable[["Clip"], None],
) -> dict[str, "Clip"]:
    """Build clips under a progress display; ``finished`` is called for each."""
    count = 0

    def told(clip: "Clip", done: int, total: int) -> None:
        nonlocal count
        finished(clip)
        count = done
        show_progress(clip, done, total)

    try:
        with _progress(len(names), quiet) as show_progress:
            return library.build(names, jobs=jobs, progress=told)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: {count} of {len(names)} clips were made and kept"
        ) from None


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Progress]:
    """Yield what shows progress on stderr: a bar on a terminal, one line per clip elsewhere."""
    if quiet:
        yield lambda clip, done, total: None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda clip, done, total: typer.echo(
            f"{done}/{total} {clip.name} {clip.duration:g} s, {clip.size} bytes", err=True
        )
        return
    from rich.progress import Progress as Bar

    with Bar(console=console, transient=True) as bar:
        task = bar.add_task("making clips", total=total)
        yield lambda clip, done, total: bar.update(
            task, completed=done, description=f"made {clip.name}"
        )


def _row(recipe: "Recipe") -> dict[str, Any]:
    from soundcheck.audio.recipe import Content, Speech

    source = recipe.source
    form = recipe.format
    row = {
        "group": recipe.group,
        "sound": f"speech {source.language}" if isinstance(source, Speech) else source.kind,
        "duration": recipe.duration,
        "container": form.container,
        "codec": form.codec,
        "sample_rate": form.rate,
        "channels": form.channels,
        "media_type": form.media_type,
        "writer": form.writer,
        "same_bytes": form.repeatable,
        "second_decoder": form.second or None,
    }
    if isinstance(source, Content):  # it has no format, only an extension
        options = dict(source.options)
        row |= dict.fromkeys(("container", "codec", "writer", "second_decoder"))
        row |= {key: int(options.get(one, 0)) for key, one in _OPTIONS.items()}
    return row


# Which options of a content say what a format says of a sound.
_OPTIONS = {"sample_rate": "rate", "channels": "channels"}


def _described(clip: "Clip", recipe: "Recipe") -> dict[str, Any]:
    return {
        "name": clip.name,
        "sha256": clip.sha256,
        "bytes": clip.size,
        "media_type": clip.media_type,
        "duration": clip.duration,
        "sample_rate": clip.sample_rate,
        "channels": clip.channels,
        "language": clip.language,
        "transcript": clip.transcript,
        "words": [{"text": w.text, "start": w.start, "end": w.end} for w in clip.words],
        "recipe": recipe.described(),
    }


def _manifest(library: "Library", clips: list["Clip"]) -> dict[str, Any]:
    from soundcheck.audio.library import versions

    return {
        "schema": SCHEMA,
        "versions": versions(),
        "clips": [_described(clip, library.recipe(clip.name)) for clip in clips],
    }


def _write_manifest(folder: Path, library: "Library", clips: list["Clip"]) -> None:
    text = json.dumps(_manifest(library, clips), indent=1, ensure_ascii=False)
    path = folder / MANIFEST
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with _writing(folder):
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = "it is not a folder" if folder.is_file() else error.strerror
        raise ExportError(
            f"cannot export to {folder}: {why}; name a folder that can be written"
        ) from None


def _copy(clip: "Clip", path: Path) -> None:
    """Write a clip's file to ``path``; what is all zeros becomes a hole again."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        for chunk in clip.chunks():
            if chunk == bytes(len(chunk)):
                file.seek(len(chunk), os.SEEK_CUR)
            else:
                file.write(chunk)
        file.truncate(clip.size)
    temporary.replace(path)
