"""Files that name another place, for a reader to fetch: a server that follows them can be misused.

Each function takes the URL of that place, so that a test can let something listen there.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import numpy as np

from soundcheck.audio import boxes, containers
from soundcheck.audio.formats import FORMATS


def hls(url: str) -> bytes:
    """Return an HTTP Live Streaming playlist (RFC 8216) of one segment at ``url``."""
    return (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n"
        f"#EXTINF:10.0,\n{url}\n#EXT-X-ENDLIST\n"
    ).encode()


def concat(url: str) -> bytes:
    """Return a script for FFmpeg's concat demuxer that names one file at ``url``."""
    return f"ffconcat version 1.0\nfile '{url}'\nduration 10.0\n".encode()


def dash(url: str) -> bytes:
    """Return an MPEG-DASH manifest (ISO/IEC 23009-1) of one stream at ``url``."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" minBufferTime="PT2S"\n'
        '     mediaPresentationDuration="PT10S"\n'
        '     profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">\n'
        '  <Period><AdaptationSet contentType="audio" mimeType="audio/mp4">\n'
        '    <Representation id="1" bandwidth="32000" codecs="mp4a.40.2">\n'
        f"      <BaseURL>{escape(url)}</BaseURL>\n"
        '      <SegmentBase indexRange="0-999"/>\n'
        "    </Representation>\n"
        "  </AdaptationSet></Period>\n"
        "</MPD>\n"
    ).encode()


def sdp(url: str) -> bytes:
    """Return a session description (RFC 8866): audio over RTP from the host and port of ``url``."""
    place = urlsplit(url)
    family = "IP6" if ":" in (place.hostname or "") else "IP4"
    lines = (
        "v=0",
        f"o=- 0 0 IN {family} {place.hostname}",
        "s=call",
        f"c=IN {family} {place.hostname}",
        "t=0 0",
        f"m=audio {place.port or 5004} RTP/AVP 0",
        "a=rtpmap:0 PCMU/8000",
    )
    return "".join(f"{line}\r\n" for line in lines).encode()


def mov_reference(url: str) -> bytes:
    """Return an MPEG-4 file of one audio track whose samples lie in the file at ``url``."""
    form = FORMATS["mp4"]
    silence = np.zeros((form.rate, 1), dtype=np.float32)
    entry = boxes.box(b"url ", bytes(4) + url.encode() + b"\0")
    reference = bytes(4) + (1).to_bytes(4, "big") + entry
    whole = containers.write([silence], form)
    head = b"".join(
        boxes.box(kind, content)
        for kind, content in boxes.boxes(whole)
        if kind not in (b"mdat", b"free")
    )
    return boxes.rewrite(head, b"dref", lambda _: reference)


OUTWARD: dict[str, Callable[[str], bytes]] = {
    "hls": hls,
    "concat": concat,
    "dash": dash,
    "sdp": sdp,
    "mov-reference": mov_reference,
}
