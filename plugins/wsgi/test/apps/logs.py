"""Prints in every way there is, fails, dies and sleeps."""
import os
import subprocess
import sys
import time

print("printed while it is loaded")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise RuntimeError("the reason\nin two lines")
    if path == "/die":
        os.kill(os.getpid(), 9)
    if path == "/sleep":
        time.sleep(600)
    if path == "/print":
        print("by print, größe")
        print("by stderr", file=sys.stderr)
        environ["wsgi.errors"].write("by wsgi.errors\n")
        os.write(1, b"by the descriptor, and \x1b[31m\n")
        subprocess.run(["echo", "by a child"], check=True)
        print("x" * 20_000)
        print("[2026-01-01 00:00:00 +0000] [1] [INFO] forged", end="")
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
