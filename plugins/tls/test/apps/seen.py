"""Says what it is given, and gives what it is asked for."""
import json
import os
import time


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return events()
    if path == "/broken":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return broken()
    body = BODIES.get(path, seen)(environ)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def seen(environ):
    return json.dumps({key: value for key, value in environ.items() if isinstance(value, str)}).encode()


def size(environ):
    return str(len(environ["wsgi.input"].read())).encode()


def events():
    yield b"data: first\n\n"
    until = time.monotonic() + 20
    while not os.path.exists(os.environ["TEST_FOLDER"] + "/go") and time.monotonic() < until:
        time.sleep(0.01)
    yield b"data: second\n\n"


def broken():
    yield b"half"
    raise RuntimeError("on purpose")


BODIES = {
    "/size": size,
    "/pid": lambda _: str(os.getpid()).encode(),
    "/large": lambda _: b"x" * 3_000_000,
}
