"""The zoo behind wsgiref.validate, which complains of each breach of PEP 3333 on either side."""
import warnings
from wsgiref.validate import validator

import zoo

warnings.simplefilter("always")


def read_all(environ, start_response):
    body = environ["wsgi.input"]
    pieces = [body.read(1), body.readline(), *body.readlines(2), *body, body.read(-1)]
    environ["wsgi.errors"].flush()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"".join(pieces)]


def inner(environ, start_response):
    if environ["PATH_INFO"] == "/read_all":
        return read_all(environ, start_response)
    return zoo.app(environ, start_response)


app = validator(inner)
