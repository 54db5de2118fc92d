"""One small app for each clause of PEP 3333 that shows on the wire; the path names it.

What several requests share lies in files, so that it holds for any number of workers.
"""
from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

PLAIN = ("Content-Type", "text/plain")
FOLDER = Path(os.environ.get("TEST_FOLDER", tempfile.gettempdir()))
PATIENCE = 20


class Closing:
    """An iterable that leaves a file when it is closed."""

    def __init__(self, chunks, name: str) -> None:
        self.chunks, self.name = iter(chunks), name

    def __iter__(self):
        return self.chunks

    def close(self) -> None:
        (FOLDER / f"closed-{self.name}").touch()


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").split("/")[0]
    return globals().get("do_" + name, do_environ)(environ, start_response)


def wait_for(name: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not (FOLDER / name).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(name)
        time.sleep(0.005)


def do_environ(environ, start_response):
    shown = {
        key: value if isinstance(value, (str, int, float, bool, tuple, type(None))) else f"<{type(value).__name__}>"
        for key, value in environ.items()
    }
    body = json.dumps(shown).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]


# start_response and write


def do_write(environ, start_response):
    write = start_response("200 OK", [PLAIN])
    write(b"written,")
    wait_for(environ["QUERY_STRING"])
    write(b"again,")
    return [b"returned"]


def do_lazy(environ, start_response):
    yield b""
    start_response("201 Created", [PLAIN])
    yield b"lazy"


def do_lazyhead(environ, start_response):
    """Nothing of the head may go out before a chunk that is not empty: it is still replaced."""
    start_response("200 OK", [PLAIN])
    yield b""
    try:
        raise ValueError("late")
    except ValueError:
        start_response("503 Service Unavailable", [PLAIN], sys.exc_info())
    yield b"replaced"


def do_replace(environ, start_response):
    start_response("200 OK", [PLAIN, ("X-First", "1")])
    try:
        raise ValueError("before the head")
    except ValueError:
        start_response("500 Replaced", [PLAIN, ("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


def do_toolate(environ, start_response):
    def chunks():
        start_response("200 OK", [PLAIN])
        yield b"first"
        try:
            raise ValueError("after the head")
        except ValueError:
            start_response("500 Too Late", [PLAIN], sys.exc_info())
        yield b"never"

    return Closing(chunks(), "toolate")


def do_twice(environ, start_response):
    start_response("200 OK", [PLAIN])
    start_response("200 OK", [PLAIN])
    return [b"never"]


def do_never(environ, start_response):
    return [b"no head"]


def do_none(environ, start_response):
    start_response("200 OK", [PLAIN])


def do_raise(environ, start_response):
    raise RuntimeError("raised by the app")


def do_midway(environ, start_response):
    start_response("200 OK", [PLAIN, *length_of(environ)])

    def chunks():
        yield b"first"
        wait_for(environ["QUERY_STRING"].split("&")[0])
        raise RuntimeError("raised midway")

    return Closing(chunks(), "midway")


def do_exit(environ, start_response):
    sys.exit("asked by the app")


def length_of(environ):
    _, _, length = environ["QUERY_STRING"].partition("&length=")
    return [("Content-Length", length)] if length else []


# close()


def do_close(environ, start_response):
    start_response("200 OK", [PLAIN])
    return Closing([b"some", b"thing"], environ["QUERY_STRING"])


def do_closehead(environ, start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", "9")])
    return Closing([b"some", b"thing"], environ["QUERY_STRING"])


def do_closeraise(environ, start_response):
    start_response("200 OK", [PLAIN])

    def chunks():
        raise RuntimeError("before the first chunk")
        yield b""

    return Closing(chunks(), environ["QUERY_STRING"])


def do_endless(environ, start_response):
    start_response("200 OK", [PLAIN])

    def chunks():
        while True:
            yield b"x" * 1000

    return Closing(chunks(), environ["QUERY_STRING"])


# Content-Length, chunks, statuses without a body


def do_length(environ, start_response):
    """?LENGTH,SIZE,KIND: that Content-Length, that many bytes, as list, stream or write."""
    length, size, kind = environ["QUERY_STRING"].split(",")
    headers = [PLAIN] if length == "-" else [PLAIN, ("Content-Length", length)]
    write = start_response("200 OK", headers)
    body = b"x" * int(size)
    half = len(body) // 2
    if kind == "list":
        return [body]
    if kind == "lists":
        return [body[:half], body[half:]]
    if kind == "write":
        write(body)
        return []
    return iter([body[:half], body[half:]])


def do_status(environ, start_response):
    """?CODE,KIND: that status, with a body that must not be sent."""
    code, kind = environ["QUERY_STRING"].split(",")
    headers = [("X-App", "1")]
    if kind == "length":
        headers.append(("Content-Length", "6"))
    start_response(f"{code} Some Reason", headers)
    return iter([b"hidden"]) if kind == "stream" else [b"hidden"]


def do_empty(environ, start_response):
    start_response("200 OK", [PLAIN])
    return iter([]) if environ["QUERY_STRING"] == "stream" else []


# Headers


def do_headers(environ, start_response):
    headers = [
        ("Set-Cookie", "a=1; Path=/"),
        ("X-Latin", "caf\u00e9 \u00ff"),
        ("Set-Cookie", "b=2; Path=/"),
        ("X-Empty", ""),
        ("x-lower", "kept as it is"),
        ("Content-Type", "text/plain"),
    ]
    start_response("299 Custom R\u00e9ason", headers)
    return [b"ok"]


def do_hop(environ, start_response):
    names = ["Connection", "Keep-Alive", "Proxy-Authenticate", "TE", "Trailer", "Transfer-Encoding", "Upgrade"]
    headers = [(name, "hop") for name in names]
    start_response("200 OK", [*headers, ("Server", "app"), ("Date", "app"), PLAIN])
    return [b"ok"]


EVIL = {
    "value-crlf": ("200 OK", [("X-Evil", "a\r\nX-Injected: 1")]),
    "value-cr": ("200 OK", [("X-Evil", "a\rX-Injected: 1")]),
    "value-lf": ("200 OK", [("X-Evil", "a\nX-Injected: 1")]),
    "value-nul": ("200 OK", [("X-Evil", "a\0X-Injected\0b")]),
    "value-wide": ("200 OK", [("X-Evil", "\u20acX-Injected")]),
    "value-bytes": ("200 OK", [("X-Evil", b"X-Injected")]),
    "value-int": ("200 OK", [("X-Evil", 1)]),
    "name-crlf": ("200 OK", [("X-Evil\r\nX-Injected", "a")]),
    "name-lf": ("200 OK", [("X-Evil\nX-Injected", "a")]),
    "name-nul": ("200 OK", [("X-Evil\0X-Injected", "a")]),
    "name-space": ("200 OK", [("X-Injected ", "a")]),
    "name-colon": ("200 OK", [("X-Injected: b\r\nX", "a")]),
    "name-empty": ("200 OK", [("", "X-Injected")]),
    "status-crlf": ("200 OK\r\nX-Injected: 1", []),
    "status-lf": ("200 OK\nX-Injected: 1", []),
    "status-nul": ("200 OK\0X-Injected\0b", []),
    "status-bytes": (b"200 OK X-Injected", []),
    "status-short": ("20 X-Injected", []),
    "status-text": ("OK X-Injected", []),
    "headers-tuple": ("200 OK", (("X-Injected", "a"),)),
    "headers-dict": ("200 OK", {"X-Injected": "a"}),
    "headers-lists": ("200 OK", [["X-Injected", "a"]]),
    "headers-triple": ("200 OK", [("X-Injected", "a", "b")]),
    "length-text": ("200 OK", [("Content-Length", "X-Injected")]),
    "length-negative": ("200 OK", [("Content-Length", "-1"), ("X-Injected", "a")]),
    "length-twice": ("200 OK", [("Content-Length", "2"), ("Content-Length", "2"), ("X-Injected", "a")]),
    "hop-crlf": ("200 OK", [("Connection", "a\r\nX-Injected: 1")]),
}


def do_evil(environ, start_response):
    status, headers = EVIL[environ["QUERY_STRING"]]
    start_response(status, headers)
    return [b"ok"]


BODIES = {
    "str": lambda: ["X-Injected"],
    "strs": lambda: [b"a", "X-Injected"],
    "bare": lambda: "X-Injected",
    "int": lambda: [1],
    "bytearray": lambda: [bytearray(b"X-Injected")],
    "stream": lambda: iter(["X-Injected"]),
    "nothing": lambda: 5,
}


def do_body(environ, start_response):
    start_response("200 OK", [PLAIN])
    return BODIES[environ["QUERY_STRING"]]()


def do_writestr(environ, start_response):
    start_response("200 OK", [PLAIN])("X-Injected")
    return []


def do_hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload"), ("Link", "</b.js>; rel=preload")])
    wait_for(environ["QUERY_STRING"])
    start_response("200 OK", [PLAIN])
    return [b"after the hints"]


# wsgi.input, wsgi.errors


def do_input(environ, start_response):
    body = environ["wsgi.input"]
    data, calls = READERS[environ["QUERY_STRING"]](body)
    after = [body.read(), body.read(10), body.readline(), body.readlines(), list(body)]
    answer = {
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "calls": calls,
        "after": after == [b"", b"", b"", [], []],
        "length": environ.get("CONTENT_LENGTH"),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def joined(pieces):
    pieces = list(pieces)
    return b"".join(pieces), len(pieces)


def until_empty(read):
    return joined(iter(read, b""))


def read_lines(body):
    pieces = list(body)
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert all(piece.count(b"\n") <= 1 for piece in pieces)
    return joined(pieces)


def read_mixed(body):
    return joined([body.read(1), body.readline(), body.readline(2), body.read(7), *body.readlines(50), body.read()])


READERS = {
    "read": lambda body: joined([body.read()]),
    "minus": lambda body: joined([body.read(-1)]),
    "pieces": lambda body: until_empty(lambda: body.read(1000)),
    "much": lambda body: joined([body.read(1 << 30)]),
    "readline": lambda body: until_empty(body.readline),
    "shortlines": lambda body: until_empty(lambda: body.readline(10)),
    "readlines": lambda body: joined(body.readlines()),
    "iterate": read_lines,
    "mixed": read_mixed,
}


def do_digest(environ, start_response):
    """Size and hash of a body that is read piece by piece, as text."""
    size, digest = 0, hashlib.sha256()
    for piece in iter(lambda: environ["wsgi.input"].read(65536), b""):
        size += len(piece)
        digest.update(piece)
    body = f"{size} {digest.hexdigest()}".encode()
    start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
    return [body]


def do_unread(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [b"unread"]


def do_begun(environ, start_response):
    """Reads the beginning of the body and no more."""
    beginning = environ["wsgi.input"].read(5)
    start_response("200 OK", [PLAIN])
    return [beginning]


def do_echo(environ, start_response):
    """The body back, one chunk for each that is here."""
    start_response("200 OK", [PLAIN])
    return iter(lambda: environ["wsgi.input"].read1(), b"")


def do_errors(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("written to wsgi.errors\n")
    errors.writelines(["one line\n", "another line\n"])
    errors.flush()
    start_response("200 OK", [PLAIN])
    return [b"ok"]


# wsgi.file_wrapper


def do_file(environ, start_response):
    """?KIND: a file of 100 lines by file_wrapper, open in that way."""
    kind, _, rest = environ["QUERY_STRING"].partition("&")
    opened, headers = FILES[kind]()
    if rest:
        headers = [("Content-Length", rest)]
    start_response("200 OK", [PLAIN, *headers])
    return environ["wsgi.file_wrapper"](opened)


LINES = b"".join(b"line %05d\n" % number for number in range(100_000))


class Told:
    """A file whose close() is told."""

    def __init__(self, file) -> None:
        self.read = file.read

    def close(self) -> None:
        (FOLDER / "closed-file").touch()


def lines_file(content: bytes = LINES):
    path = FOLDER / f"lines-{len(content)}.txt"
    if not path.exists():
        path.write_bytes(content)
    return path


def offset_file():
    file = lines_file().open("rb")
    file.seek(11 * 50_000)
    return file, []


def half_read_file():
    file = lines_file().open("rb")
    file.readline()
    return file, []


def deleted_file():
    descriptor, path = tempfile.mkstemp(dir=FOLDER)
    with os.fdopen(descriptor, "wb") as file:
        file.write(LINES)
    file = open(path, "rb")
    os.unlink(path)
    return file, []


def anonymous_file():
    file = tempfile.TemporaryFile()
    file.write(LINES)
    file.seek(0)
    return file, []


def pipe():
    reading, writing = os.pipe()
    os.write(writing, LINES[:1100])
    os.close(writing)
    return os.fdopen(reading, "rb"), []


def empty_file():
    return lines_file(b"").open("rb"), []


def growing_file():
    """The announced length is less than the file."""
    return lines_file().open("rb"), [("Content-Length", "22")]


FILES = {
    "whole": lambda: (lines_file().open("rb"), []),
    "unbuffered": lambda: (lines_file().open("rb", 0), []),
    "offset": offset_file,
    "halfread": half_read_file,
    "deleted": deleted_file,
    "anonymous": anonymous_file,
    "pipe": pipe,
    "bytesio": lambda: (io.BytesIO(LINES), []),
    "empty": empty_file,
    "told": lambda: (Told(lines_file().open("rb")), []),
    "less": growing_file,
    "more": lambda: (lines_file().open("rb"), [("Content-Length", str(len(LINES) + 1))]),
}


# Streams


def do_stream(environ, start_response):
    """?NAME: a chunk, and the second once the file NAME is there."""
    start_response("200 OK", [PLAIN])

    def chunks():
        yield b"first\n"
        wait_for(environ["QUERY_STRING"])
        yield b"second\n"

    return chunks()


def do_events(environ, start_response):
    """Server-sent events: one when the connection stands, one for each file event-N."""
    start_response("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])

    def events():
        yield b": connected\n\n"
        for number in range(1, 4):
            wait_for(f"event-{number}")
            yield b"id: %d\ndata: event %d\n\n" % (number, number)

    return events()


def do_big(environ, start_response):
    """?MEGABYTES: that much, a megabyte a chunk, each of its own bytes."""
    count = int(environ["QUERY_STRING"])
    start_response("200 OK", [PLAIN, ("Content-Length", str(count << 20))])
    return (bytes([number % 251]) * (1 << 20) for number in range(count))


def do_pieces(environ, start_response):
    """?KIND,SIZE,...: a body of pieces of these sizes, as list, stream or write; `die` kills the worker behind a stream."""
    kind, *sizes = environ["QUERY_STRING"].split(",")
    sizes = [int(size) for size in sizes]
    if kind != "list":
        write = start_response("200 OK", [PLAIN])
    body = (bytes(range(251)) * (sum(sizes) // 251 + 1))[: sum(sizes)]
    ends = [sum(sizes[: count + 1]) for count in range(len(sizes))]
    pieces = (body[end - size : end] for size, end in zip(sizes, ends))
    if kind == "list":
        start_response("200 OK", [PLAIN, ("Content-Length", str(len(body)))])
        return list(pieces)
    if kind == "write":
        for piece in pieces:
            write(piece)
        return []
    return dying(pieces) if kind == "die" else pieces


def dying(pieces):
    yield from pieces
    os.kill(os.getpid(), signal.SIGKILL)


def do_pid(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [str(os.getpid()).encode()]
