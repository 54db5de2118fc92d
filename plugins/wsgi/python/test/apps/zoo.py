"""One small app for each kind of behaviour; the path names it."""
from __future__ import annotations

import gzip
import io
import json
import os
import sys
import tempfile
import threading
import time

PLAIN = ("Content-Type", "text/plain")
kept: dict[str, object] = {}
closed: list[str] = []
gate = threading.Event()


class Closing:
    """An iterable that tells when it is closed."""

    def __init__(self, chunks, name: str) -> None:
        self.chunks, self.name = iter(chunks), name

    def __iter__(self):
        return self.chunks

    def close(self) -> None:
        closed.append(self.name)


def app(environ, start_response):
    return globals()["do_" + environ["PATH_INFO"].strip("/")](environ, start_response)


def do_environ(environ, start_response):
    shown = {
        name: value if isinstance(value, (str, int, float, bool, tuple)) else type(value).__name__
        for name, value in environ.items()
    }
    shown["environ type"] = type(environ).__name__
    environ["leak"] = "leaked"
    start_response("200 OK", [PLAIN])
    return [json.dumps(shown).encode()]


def do_errors(environ, start_response):
    environ["wsgi.errors"].write("to the log: \u20ac\n")
    environ["wsgi.errors"].writelines(["one\n"])
    environ["wsgi.errors"].flush()
    start_response("204 No Content", [])
    return []


def do_echo(environ, start_response):
    body = environ["wsgi.input"]
    how = environ["QUERY_STRING"]
    if how == "lines":
        data = b"|".join(body)
    elif how == "readline":
        data = body.readline(3) + b"|" + body.readline() + b"|" + body.readline(2) + b"|" + body.read()
    elif how == "readlines":
        data = b"|".join(body.readlines(4)) + b"#" + body.read(1) + b"#" + body.read()
    elif how == "parts":
        data = body.read(2) + b"|" + body.read(0) + b"|" + body.read(3) + b"|" + body.read(-1) + b"|" + body.read()
    elif how == "some":
        data = body.read(2)
    else:
        data = body.read()
    start_response("200 OK", [PLAIN])
    return [data + b"$" + body.read(1) if how != "some" else data]


def do_size(environ, start_response):
    start_response("200 OK", [("Content-Length", environ["QUERY_STRING"])])
    return [b"x" * int(environ["QUERY_STRING"])]


def do_head_size(environ, start_response):
    start_response("200 OK", [("X-Large", "x" * int(environ["QUERY_STRING"])), ("Content-Length", "2")])
    return [b"ok"]


def do_whole(environ, start_response):
    start_response(environ.get("status", "200 OK"), [PLAIN])
    return tuple(environ["QUERY_STRING"].encode().split(b","))


def do_pattern(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [pattern(int(environ["QUERY_STRING"]))]


def do_pattern_stream(environ, start_response):
    start_response("200 OK", [PLAIN])
    data = pattern(int(environ["QUERY_STRING"]))
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]


def do_chunks(environ, start_response):
    start_response("200 OK", [PLAIN])
    return (pattern(int(size)) for size in environ["QUERY_STRING"].split(","))


def pattern(size: int) -> bytes:
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


def do_nothing(environ, start_response):
    start_response("200 OK", [PLAIN])
    return []


def do_stream(environ, start_response):
    start_response("200 OK", [PLAIN])
    gate.clear()

    def chunks():
        yield b""
        yield b"first"
        yield b""
        kept["opened"] = environ["wsgi.input"].read(1)
        yield b"second"

    return Closing(chunks(), "stream")


def do_lazy(environ, start_response):
    yield b""
    start_response("200 OK", [PLAIN])
    yield b"lazy"


def do_lazy_head(environ, start_response):
    kept["steps"] = 0
    start_response("200 OK", [PLAIN, ("Content-Length", "8")])
    kept["steps"] = 1
    yield b"lazy"
    kept["steps"] = 2
    yield b"head"


def do_kept(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [repr(kept.get(environ["QUERY_STRING"])).encode()]


def do_closed(environ, start_response):
    start_response("200 OK", [PLAIN])
    names = ",".join(closed)
    closed.clear()
    return [names.encode()]


def do_write(environ, start_response):
    write = start_response("200 OK", [PLAIN])
    write(b"")
    write(b"written")
    environ["wsgi.input"].read(1)
    write(b"more")
    return [b"returned", b""]


def do_twice(environ, start_response):
    start_response("200 OK", [PLAIN])
    start_response("200 OK", [PLAIN])
    return [b""]


def do_replace(environ, start_response):
    start_response("200 OK", [PLAIN, ("X-First", "1")])
    try:
        raise ValueError("changed my mind")
    except ValueError:
        start_response("418 Teapot", [PLAIN], sys.exc_info())
    return [b"tea"]


def do_too_late(environ, start_response):
    start_response("200 OK", [PLAIN])

    def chunks():
        yield b"out"
        try:
            raise ValueError("too late")
        except ValueError:
            start_response("500 Oops", [PLAIN], sys.exc_info())
        yield b"never"

    return Closing(chunks(), "too_late")


def do_raise(environ, start_response):
    raise ValueError("on purpose")


def do_raise_hidden(environ, start_response):
    class Nasty(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    raise Nasty


def do_recurse(environ, start_response):
    return do_recurse(environ, start_response)


def do_raise_after(environ, start_response):
    start_response("200 OK", [PLAIN])

    def chunks():
        yield b"out"
        raise ValueError("after the head")

    return Closing(chunks(), "raise_after")


def do_raise_before_first(environ, start_response):
    start_response("200 OK", [PLAIN])

    def chunks():
        yield b""
        raise ValueError("before the head")

    return Closing(chunks(), "raise_before_first")


def do_bad_close(environ, start_response):
    class Bad(Closing):
        def close(self):
            raise ValueError("close failed")

    start_response("200 OK", [PLAIN])
    return Bad([b"fine"], "bad")


def do_exit(environ, start_response):
    sys.exit("the app had enough")


def do_none(environ, start_response):
    start_response("200 OK", [PLAIN])


def do_no_start(environ, start_response):
    return [b"body"]


def do_no_start_stream(environ, start_response):
    return iter([b"body"])


def do_chunk(environ, start_response):
    start_response("200 OK", [PLAIN])
    wrong = {"str": "text", "bytearray": bytearray(b"x"), "int": 5, "none": None}
    kind, _, how = environ["QUERY_STRING"].partition(",")
    chunks = [wrong[kind]] if how == "one" else [b"a", wrong[kind]]
    return chunks if how != "iter" else iter(chunks[1:])


def do_bytes(environ, start_response):
    start_response("200 OK", [PLAIN])
    return b"bytes are no iterable of bytes"


def do_length(environ, start_response):
    declared, _, rest = environ["QUERY_STRING"].partition(",")
    how, _, body = rest.partition(",")
    start_response("200 OK", [("Content-Length", declared)])
    chunks = [part.encode() for part in body.split("+")]
    return chunks if how == "list" else Closing(chunks, "length")


def do_after_whole(environ, start_response):
    """Goes on in this way when it has given all of its Content-Length."""
    start_response("200 OK", [("Content-Length", "5")])
    how = environ["QUERY_STRING"]

    def chunks():
        yield b""
        yield b"whole"
        yield b""
        if how == "read":
            kept["read"] = environ["wsgi.input"].read()
        elif how == "restart":
            try:
                raise ValueError("after the whole")
            except ValueError:
                start_response("500 Oops", [PLAIN], sys.exc_info())
        elif how == "text":
            yield "text"
        elif how:
            raise ValueError("after the whole")

    return Closing(chunks(), "after_whole")


def do_status(environ, start_response):
    start_response(environ["QUERY_STRING"], [("Content-Length", "4")] if environ.get("with_length") else [])
    return [b"body"] if environ.get("as_list") else Closing([b"body"], "status")


def do_status_write(environ, start_response):
    write = start_response(environ["QUERY_STRING"], [])
    write(b"dropped")
    return [b"dropped"]


def do_hop(environ, start_response):
    names = ["Connection", "keep-alive", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Server", "Date", "X-Fine"]
    start_response("200 OK", [(name, "x") for name in names])
    return [b""]


def do_cookies(environ, start_response):
    start_response("200 OK", [("Set-Cookie", "a=1"), ("X-Between", "\xe4"), ("Set-Cookie", "b=2"), ("set-cookie", "c")])
    return [b"ok"]


def do_injected(environ, start_response):
    start_response("200 OK", [("X-Bad", "a\r\nX-Injected: 1")])
    return [b"never"]


def do_swallow(environ, start_response):
    try:
        start_response("200 OK", [("X-Bad", "a\nb")])
    except ValueError:
        start_response("400 Bad", [PLAIN])
    return [b"recovered"]


def do_hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    start_response("200 OK", [PLAIN])
    return [b"hinted"]


def do_bad_hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "a\r\nb")])


def do_keep(environ, start_response):
    kept["write"] = start_response("200 OK", [PLAIN])
    kept["start_response"] = start_response
    kept["hints"] = environ["wsgi.early_hints"]
    kept["input"] = environ["wsgi.input"]
    return [b"kept"]


def do_use_kept(environ, start_response):
    outcomes = []
    for name, arguments in (
        ("write", (b"stale",)), ("start_response", ("200 OK", [PLAIN])), ("hints", ([("Link", "x")],)),
        ("input", None),
    ):  # fmt: skip
        try:
            kept["input"].read() if arguments is None else kept[name](*arguments)
            outcomes.append("worked")
        except (RuntimeError, ValueError) as error:
            outcomes.append(type(error).__name__)
    start_response("200 OK", [PLAIN])
    return [",".join(outcomes).encode()]


def do_endless(environ, start_response):
    start_response("200 OK", [PLAIN])

    def chunks():
        while True:
            yield b"more"
            environ["wsgi.input"].read(1)

    return Closing(chunks(), "endless")


def do_gone_write(environ, start_response):
    write = start_response("200 OK", [PLAIN])
    try:
        while True:
            write(b"more")
            environ["wsgi.input"].read(1)
    except ConnectionError as error:
        kept["gone error"] = type(error).__name__
        kept["gone"] = environ["wsgi_core.client_gone"]()
        raise


def do_big_gone(environ, start_response):
    start_response("200 OK", [PLAIN])
    yield b"x"
    environ["wsgi.input"].read(1)
    yield b"y" * 3_000_000


def do_sleep(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"]))
    start_response("200 OK", [PLAIN])
    return [b"slept"]


def do_sleep_stream(environ, start_response):
    start_response("200 OK", [PLAIN])
    yield b"asleep"
    time.sleep(float(environ["QUERY_STRING"]))
    yield b"awake"


def do_wait_input(environ, start_response):
    """Holds its thread until the front answers the PULL."""
    data = environ["wsgi.input"].read(1)
    start_response("200 OK", [PLAIN])
    return [b"got " + data + b" in " + threading.current_thread().name.encode()]


def do_pid(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [f"{os.getpid()} {os.getppid()}".encode()]


def do_descriptors(environ, start_response):
    import subprocess

    shown = subprocess.run(["ls", "-l", "/proc/self/fd"], stdout=subprocess.PIPE, close_fds=False, check=True).stdout
    start_response("200 OK", [PLAIN])
    return [shown]


def do_path(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [json.dumps([sys.path, os.getcwd()]).encode()]


# Files


class Told:
    """Counts close() of the file it hands through."""

    def __init__(self, file, name: str) -> None:
        self.read, self.close_file, self.name = file.read, file.close, name

    def close(self) -> None:
        closed.append(self.name)
        self.close_file()


def make_file(size: int):
    file = tempfile.TemporaryFile()
    file.write(bytes(range(256)) * (size // 256 + 1))
    file.truncate(size)
    file.seek(0)
    return file


def do_file(environ, start_response):
    size, offset, length = (environ["QUERY_STRING"] + ",,").split(",")[:3]
    file = make_file(int(size))
    kept["file"] = file
    file.seek(int(offset or 0))
    start_response("200 OK", [PLAIN] + ([("Content-Length", length)] if length else []))
    return environ["wsgi.file_wrapper"](file, 1000)


def do_file_late(environ, start_response):
    write = start_response("200 OK", [PLAIN])
    write(b"before")
    return environ["wsgi.file_wrapper"](make_file(5))


def do_file_object(environ, start_response):
    start_response("200 OK", [PLAIN])
    return environ["wsgi.file_wrapper"](Told(io.BytesIO(b"in memory"), "object"), 4)


def do_file_gzip(environ, start_response):
    file = tempfile.NamedTemporaryFile(suffix=".gz")
    with gzip.open(file.name, "wb") as packed:
        packed.write(b"unpacked")
    start_response("200 OK", [PLAIN])
    return environ["wsgi.file_wrapper"](gzip.open(file.name))


def do_file_text(environ, start_response):
    start_response("200 OK", [PLAIN])
    return environ["wsgi.file_wrapper"](open(__file__, encoding="utf-8"))


def do_file_closed(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [str(kept["file"].closed).encode()]
