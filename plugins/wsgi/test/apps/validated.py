"""Every kind of answer behind wsgiref's checker, which raises AssertionError where either side breaks PEP 3333."""
from __future__ import annotations

import io
import os
import tempfile
from wsgiref.validate import validator

PLAIN = ("Content-Type", "text/plain")


def plain(environ, start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", "5")])
    return [b"plain"]


def stream(environ, start_response):
    start_response("200 OK", [PLAIN])
    return (b"part %d," % number for number in range(3))


def written(environ, start_response):
    write = start_response("200 OK", [PLAIN])
    write(b"written,")
    return [b"returned"]


def read(environ, start_response):
    body = environ["wsgi.input"]
    pieces = [body.read(10), body.readline(), *body.readlines(5)]
    size = sum(map(len, pieces)) + sum(len(line) for line in body)
    start_response("200 OK", [PLAIN])
    return [b"%d" % size]


def nothing(environ, start_response):
    start_response("204 No Content", [])
    return []


def error(environ, start_response):
    environ["wsgi.errors"].write("told by the validated app\n")
    start_response("500 Internal Server Error", [PLAIN])
    return [b"error"]


def file(environ, start_response):
    opened = tempfile.TemporaryFile()
    opened.write(b"file\n" * 1000)
    opened.seek(0)
    start_response("200 OK", [PLAIN])
    return environ["wsgi.file_wrapper"](opened)


def raised(environ, start_response):
    raise RuntimeError("raised by the validated app")


ROUTES = {function.__name__: function for function in (plain, stream, written, read, nothing, error, file, raised)}


def route(environ, start_response):
    return ROUTES[environ["PATH_INFO"].strip("/")](environ, start_response)


app = validator(route)
