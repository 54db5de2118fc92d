"""The smallest WSGI application: PEP 3333, nothing to install."""

from __future__ import annotations

from typing import Any, Callable

BODY = b"Hello, world!\n"


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response(
        "200 OK",
        [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))],
    )
    return [BODY]
