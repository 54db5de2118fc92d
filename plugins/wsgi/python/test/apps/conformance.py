"""The conformance application: docs/javascript-apps.md."""
import time

PLAIN = [("Content-Type", "text/plain")]


def fails():
    yield b"one"
    raise RuntimeError("late")


def endless():
    while True:
        yield b"more\n"
        time.sleep(0.005)


def environ_text(environ):
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "wsgi.url_scheme", "HTTP_X_TEST", "SERVER_SOFTWARE")
    return " ".join(environ[name] for name in names).encode("latin-1")


def sleep(_):
    time.sleep(0.3)
    return [b"slept"]


def show(_):
    print("printed", flush=True)
    return [b"done"]


ROUTES = {
    "/hello": lambda _: [b"hello"],
    "/environ": lambda environ: [environ_text(environ)],
    "/echo": lambda environ: [environ["wsgi.input"].read()],
    "/big": lambda _: [b"x" * 100_000],
    "/stream": lambda _: iter([b"one\n", b"two\n", b"three\n"]),
    "/endless": lambda _: endless(),
    "/fail-late": lambda _: fails(),
    "/sleep": sleep,
    "/print": show,
}


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise RuntimeError("at once")
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    start_response("200 OK", PLAIN)
    return ROUTES[path](environ)
