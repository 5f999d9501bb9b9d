"""A matplotlib figure as inline SVG that takes its colours and fonts from the page's style.

Text stays text. Colours are drawn as tokens that become classes, so that one plot serves light and
dark pages. Style attributes become presentation attributes: the page's content security policy
forbids the former. The same figure gives the same bytes.
"""

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROLES = ("ink", "quiet", "rule", "ground", "bad", "a", "b", "c", "d", "e", "f")
"""What a colour is for; ``a`` to ``f`` tell lines apart. The style has ``.k-a`` for each."""
COLOURS = {role: f"#0000{number:02x}" for number, role in enumerate(ROLES, start=1)}
FONT_SIZE = 12.0
_ROLE_OF = {colour: role for role, colour in COLOURS.items()}
_NAMESPACE = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_KEPT = (
    *("stroke-width", "stroke-dasharray", "stroke-dashoffset", "stroke-opacity"),
    *("fill-opacity", "fill-rule", "opacity", "text-anchor"),
)
_LONG_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "soundcheck",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # it comes with matplotlib: nothing is looked for
    "font.size": FONT_SIZE,
    "text.usetex": False,
    "text.parse_math": False,  # a name from a server is no formula
    "axes.unicode_minus": True,
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot for a page: its heading, what it shows in words, and the SVG element."""

    name: str
    title: str
    caption: str
    svg: str


@contextmanager
def drawing() -> Iterator[None]:
    """Have matplotlib loaded and set up as our plots want it, whatever the user's settings are.

    Its warnings about folders that cannot be written are kept back: without a cache it works in a
    temporary one.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib as mpl

        with mpl.rc_context(), warnings.catch_warnings():
            # A character that its font lacks is drawn by the reader's browser all the same.
            warnings.simplefilter("ignore", UserWarning)
            mpl.rcdefaults()
            mpl.rcParams.update(_SETTINGS)
            yield
    finally:
        logger.setLevel(level)


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of CSS pixels, to be filled within ``drawing``."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), dpi=72)


def to_svg(figure: "Figure", name: str, title: str, description: str) -> str:
    """Return ``figure`` as an ``svg`` element; ``name`` keeps its ids apart from other plots'."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(file.getvalue())  # noqa: S314  # matplotlib's own words
    _clean(root, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for number, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(number, element)
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def _clean(root: ElementTree.Element, name: str) -> None:
    """Drop what only an SVG file needs, and turn styles into attributes and classes."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    used = {found for element in root.iter() for found in _references(element)}
    for element in root.iter():
        element.tag = element.tag.removeprefix(_NAMESPACE)
        element.text = (element.text or "").strip("\n ") or None
        element.tail = None
        _dress(element, element.attrib.pop("style", ""))
        link = element.attrib.pop(_LINK, "")
        if link:
            element.set("href", f"#{name}-{link[1:]}")
        for attribute, value in list(element.attrib.items()):
            if attribute == "id":
                element.attrib.pop("id")
                if value in used:
                    element.set("id", f"{name}-{value}")
            elif value.startswith("url("):
                element.set(attribute, _REFERENCE.sub(rf"url(#{name}-\1)", value))
            elif attribute in ("d", "x", "y", "width", "height", "transform"):
                element.set(attribute, _shortened(value))
    _flatten(root)


def _references(element: ElementTree.Element) -> list[str]:
    link = element.get(_LINK, "")
    found = [link[1:]] if link else []
    return found + [one for value in element.attrib.values() for one in _REFERENCE.findall(value)]


def _dress(element: ElementTree.Element, style: str) -> None:
    classes = []
    for declaration in style.split(";"):
        attribute, _, value = (part.strip() for part in declaration.partition(":"))
        if attribute in ("fill", "stroke"):
            role = _ROLE_OF.get(value)
            if role:
                classes.append(f"{attribute[0]}-{role}")
            else:
                element.set(attribute, value)
        elif attribute in _KEPT and (attribute, value) not in (("opacity", "1"),):
            element.set(attribute, value)
    if element.tag == "text" and not any(one.startswith("f-") for one in classes):
        classes.append("f-quiet")
    if classes:
        element.set("class", " ".join(classes))


def _flatten(parent: ElementTree.Element) -> None:
    """Put what stands in groups without attributes in the groups' place."""
    for child in list(parent):
        _flatten(child)
        if child.tag == "g" and not child.attrib:
            place = list(parent).index(child)
            parent.remove(child)
            for offset, grandchild in enumerate(child):
                parent.insert(place + offset, grandchild)
        elif child.tag == "defs" and not len(child):
            parent.remove(child)


def _shortened(numbers: str) -> str:
    return _LONG_NUMBER.sub(lambda match: f"{float(match[0]):.1f}".removesuffix(".0"), numbers)
