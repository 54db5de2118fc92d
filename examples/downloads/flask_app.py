"""Flask decides who may have a file; the server sends it."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, abort, request, send_from_directory

FILES = Path(__file__).resolve().parent / "files"

app = Flask(__name__)
# send_file and send_from_directory then answer with the file's path alone, as X-Sendfile.
app.config["USE_X_SENDFILE"] = True


@app.get("/downloads/<path:name>")
def download(name: str):
    if request.args.get("member") != "yes":  # a session, in real life
        abort(403)
    return send_from_directory(FILES, name, as_attachment=True)
