"""EBML elements are read as other programs write them, and written with fixed lengths."""

from hypothesis import given
from hypothesis import strategies as st

from soundcheck.audio import Library, ebml


def test_a_webm_file_is_read_into_its_elements() -> None:
    """The elements of a clip, at both levels, make up its bytes."""
    data = Library().clip("hello.webm").read()
    start, segment = ebml.elements(data)
    assert (start.id, segment.id) == (ebml.EBML, ebml.SEGMENT)
    assert start.raw + segment.raw == data
    inner = list(ebml.elements(segment.content))
    assert b"".join(one.raw for one in inner) == segment.content
    assert inner[0].id == ebml.SEEK_HEAD
    assert {ebml.CLUSTER, ebml.CUES, ebml.VOID} <= {one.id for one in inner}


@given(st.binary(max_size=300))
def test_an_element_is_read_back(content: bytes) -> None:
    """What is written as an element is read as that element."""
    (found,) = ebml.elements(ebml.element(ebml.VOID, content))
    assert (found.id, found.content) == (ebml.VOID, content)


def test_moved_cues_point_further_on() -> None:
    """Each cue's cluster position grows by the same; its length never depends on the value."""
    _, segment = ebml.elements(Library().clip("speech-10s.webm").read())
    cues = next(one.content for one in ebml.elements(segment.content) if one.id == ebml.CUES)
    near, far = ebml.moved_cues(cues, 0), ebml.moved_cues(cues, 100_000_000)
    assert len(near) == len(far)
    assert [one + 100_000_000 for one in positions(near)] == positions(far)
    assert positions(near) == positions(cues)
    assert len(positions(cues)) >= 2


def positions(cues: bytes) -> list[int]:
    found = []
    for one in ebml.elements(cues):
        if one.id in (ebml.CUE_POINT, ebml.CUE_TRACK_POSITIONS):
            found += positions(one.content)
        elif one.id == ebml.CUE_CLUSTER_POSITION:
            found.append(int.from_bytes(one.content, "big"))
    return found
