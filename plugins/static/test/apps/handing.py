"""Hands files over to the server, each path in another way."""
from __future__ import annotations

import os
from urllib.parse import quote

FOLDER = os.environ["TEST_FOLDER"]


def app(environ, start_response):
    name = environ["PATH_INFO"].encode("latin-1").decode().strip("/")
    kind, _, rest = name.partition("/")
    return globals()["do_" + kind](rest, environ, start_response)


def do_accel(name, environ, start_response):
    fields = [
        ("X-Accel-Redirect", "/internal/" + quote(name)),
        ("Content-Type", ""),
        ("Content-Length", "7"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("ETag", '"of the app"'),
        ("Cache-Control", "private"),
        ("X-Accel-Buffering", "no"),
    ]
    start_response("200 OK", fields)
    return [b"ignored"]


def do_typed(name, environ, start_response):
    disposition = "attachment; filename=report.csv"
    fields = [
        ("X-Accel-Redirect", "/internal/" + quote(name)),
        ("Content-Type", "text/csv"),
        ("Content-Disposition", disposition),
    ]
    start_response("200 OK", fields)
    return []


def do_to(name, environ, start_response):
    start_response("200 OK", [("X-Accel-Redirect", "/" + name)])
    return []


def do_sendfile(name, environ, start_response):
    path = os.path.join(FOLDER, name).encode().decode("latin-1")
    start_response("200 OK", [("X-Sendfile", path), ("Content-Type", "text/plain")])
    return []


def do_streamed(name, environ, start_response):
    start_response("200 OK", [("X-Accel-Redirect", "/internal/" + name)])
    for _ in range(100):
        yield b"x" * 100_000


def do_late(name, environ, start_response):
    start_response("200 OK", [("X-Accel-Redirect", "/internal/" + name)])
    yield b"x"
    raise RuntimeError("after the head")


def do_wrapped(name, environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open(os.path.join(FOLDER, name), "rb"))


def do_wrapped_accel(name, environ, start_response):
    start_response("200 OK", [("X-Accel-Redirect", "/internal/" + name)])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


def do_plain(name, environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"plain"]
