"""Tells which process imported it."""
import os
import sys

IMPORTER = os.getpid()
print("imported", file=sys.stderr)


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{IMPORTER} {os.getpid()}".encode()]
