"""Heads of answers: checked against PEP 3333 and RFC 9110, then encoded for the front."""
from __future__ import annotations

import re

from .control import log

PLAIN, LENGTH, SILENT, HOP, UNSEEN = range(5)
# PEP 3333: an app must not use these (RFC 2616 §13.5.1, RFC 9110 §7.6.1).
HOP_BY_HOP = (
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
    "te", "trailer", "trailers", "transfer-encoding", "upgrade",
)  # fmt: skip
SPECIAL = {"content-length": LENGTH, "server": SILENT, "date": SILENT, **dict.fromkeys(HOP_BY_HOP, HOP)}
CACHE_LIMIT = 512
# Heads that an app sends again and again: so many, of so many bytes at most.
HEADS_LIMIT = 128
HEAD_LIMIT = 1_024
# Of a Content-Length: the front sends no longer one.
LENGTH_DIGITS = 15
# Of any head: with a length that is added, no more than the front takes (docs/worker-protocol.md).
LARGEST_HEAD = 262_000

# RFC 9110 §5.5 and RFC 9112 §4: tab, visible ASCII, space and obs-text.
TEXT = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])
TEXT_ONLY = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
STATUS = re.compile(r"[1-5][0-9][0-9] [\t\x20-\x7e\x80-\xff]*").fullmatch
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch

known_names: dict[str, int] = {}
known_statuses: dict[str, bool] = {}
warned_names: set[str] = set()
known_heads: dict[tuple, tuple[bytes, int | None, bool]] = {}


def encode_head(status: str, headers: list) -> tuple[bytes, int | None, bool]:
    """The head as the front wants it, its Content-Length, and whether its status forbids a body.

    Whatever breaks PEP 3333 raises TypeError or ValueError, so that no byte of it reaches the wire.
    """
    if type(headers) is not list:
        return make_head(status, headers)
    key = (status, *headers)
    try:
        known = known_heads.get(key)
    except TypeError:  # what has no hash is no header either
        return make_head(status, headers)
    if known is None:
        known = make_head(status, headers)
        if len(known[0]) <= HEAD_LIMIT:
            if len(known_heads) >= HEADS_LIMIT:
                known_heads.clear()
            known_heads[key] = known
    return known


def make_head(status: str, headers: list) -> tuple[bytes, int | None, bool]:
    try:
        bodiless = known_statuses.get(status)
        if bodiless is None:
            bodiless = learn_status(status)
        length = None
        flat = [status]
        for header in headers:
            name, value = header
            kind = known_names.get(name, UNSEEN)
            if kind:
                if kind is UNSEEN:
                    kind = learn_name(name)
                if kind is LENGTH:
                    length = parse_length(value, length)
                    # RFC 9110 §8.6: none in a 1xx or 204.
                    if bodiless and status[:3] != "304":
                        continue
                elif kind:
                    refuse(name, kind, value)
                    continue
            if type(header) is not tuple:
                explain(status, headers)
            flat += header
        head = "\0".join(flat).encode("latin-1")
        # Printable is the quick test of most heads, TEXT the true one: only the separators may remain.
        if not "".join(flat).isprintable() and len(head.translate(None, TEXT)) != len(flat) - 1:
            raise ValueError("a header has a character that is illegal in HTTP")
        if len(head) > LARGEST_HEAD:
            raise ValueError(f"the head has {len(head)} bytes; {LARGEST_HEAD} are allowed")
    except (TypeError, ValueError, AttributeError):
        explain(status, headers)
        raise
    if type(headers) is not list:
        explain(status, headers)
    return head, length, bodiless


def names_file(head: bytes) -> bool:
    """Whether the server is to send a file in place of the body; the length is that of the file then."""
    names = head.lower().split(b"\0")[1::2]
    return b"x-sendfile" in names or b"x-accel-redirect" in names


def without_length(head: bytes) -> bytes:
    status, *flat = head.split(b"\0")
    pairs = zip(flat[::2], flat[1::2])
    return b"\0".join([status, *(text for pair in pairs if pair[0].lower() != b"content-length" for text in pair)])


def learn_status(status: str) -> bool:
    if not isinstance(status, str) or not STATUS(status):
        raise ValueError(f"status must be 'NNN reason', not {status!r}")
    bodiless = status[0] == "1" or status[:3] in ("204", "304")
    if len(known_statuses) < CACHE_LIMIT:
        known_statuses[status] = bodiless
    return bodiless


def learn_name(name: str) -> int:
    if not isinstance(name, str) or not TOKEN(name):
        raise ValueError(f"header name must be a token (RFC 9110), not {name!r}")
    kind = SPECIAL.get(name.lower(), PLAIN)
    if len(known_names) < CACHE_LIMIT:
        known_names[name] = kind
    return kind


def parse_length(value: str, earlier: int | None) -> int:
    if earlier is not None:
        raise ValueError("several Content-Length headers")
    if not (value.isdigit() and value.isascii() and len(value) <= LENGTH_DIGITS):
        raise ValueError(f"Content-Length must be a decimal number, not {value!r}")
    return int(value)


def refuse(name: str, kind: int, value: str) -> None:
    """Drop a header that is the server's own business; a hop-by-hop one is told of once in a process."""
    if not TEXT_ONLY(value):
        raise ValueError(f"header {name!r} has an illegal value")
    lower = name.lower()
    if kind is HOP and lower not in warned_names:
        warned_names.add(lower)
        log("warning", f"app sent hop-by-hop header '{name}', which PEP 3333 forbids; it is dropped")


def explain(status: object, headers: object) -> None:
    """Raise the clearest error for what is wrong; returns when only a subclass of list or tuple was unusual."""
    if not isinstance(headers, list):
        raise TypeError(f"headers must be a list, not {type(headers).__name__}")
    for header in headers:
        if not isinstance(header, tuple) or len(header) != 2:
            raise TypeError(f"header must be a tuple (name, value), not {header!r}")
        name, value = header
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"header name and value must be str, not {header!r}")
        if not TEXT_ONLY(value):
            raise ValueError(f"value of header {name!r} has a character that is illegal in HTTP: {value!r}")
