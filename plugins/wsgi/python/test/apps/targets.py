"""Things that a target may name."""


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"application"]


class Namespace:
    app = staticmethod(application)
    nothing = None
    number = 5


holder = Namespace()
holder.inner = Namespace()


def create(*arguments, **named):
    def app(environ, start_response):
        return []

    app.arguments = (arguments, named)
    return app


def create_none():
    return None


def create_badly():
    raise ValueError("factory failed")
