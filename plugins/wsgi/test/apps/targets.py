"""The forms of a target."""
from __future__ import annotations


def say(text: str):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]

    return app


application = say("application")
app = say("app")


class Holder:
    inner = staticmethod(say("obj.attr"))

    class deep:
        er = staticmethod(say("deeper"))


holder = Holder
number = 5
nothing = None


def factory(*args, **kwargs):
    return say(f"factory {args!r} {kwargs!r}")


def failing_factory():
    raise LookupError("no such factory")


def empty_factory():
    return None
