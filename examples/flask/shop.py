"""A small shop: what a Flask application asks of its server, one route for each thing.

Workers share nothing but the data folder (SHOP_DATA, by default ``instance/`` beside this file),
so it behaves the same under one worker or many.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from flask import (
    Flask,
    Response,
    abort,
    flash,
    json,
    jsonify,
    redirect,
    render_template,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

import orders
import streams

CATALOGUE = Path(__file__).resolve().with_name("catalogue.csv")

# For development only: whoever knows this key can forge sessions. Set SHOP_SECRET_KEY elsewhere.
DEVELOPMENT_KEY = "development-key-not-a-secret"

MAX_LINES = 1_000_000

ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
CGI_KEYS = {
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"),
    *("CONTENT_TYPE", "CONTENT_LENGTH", "HTTPS", "REMOTE_USER"),
    *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT"),
}

app = Flask(__name__, instance_path=str(orders.DATA))
app.config.update(
    SECRET_KEY=os.environ.get("SHOP_SECRET_KEY", DEVELOPMENT_KEY),
    SESSION_COOKIE_SAMESITE="Lax",
    MAX_CONTENT_LENGTH=64 * 1024 * 1024,
)
app.logger.setLevel("INFO")
orders.prepare()


# The shop: routes with variables, redirects, the session


@app.get("/")
def index() -> str:
    return render_template("index.html", items=load_items().values())


@app.get("/items/<int:item_id>")
def item(item_id: int) -> str:
    return render_template("item.html", item=find_item(item_id))


@app.get("/item/<int:item_id>")
def old_item(item_id: int) -> ResponseReturnValue:
    return redirect(url_for("item", item_id=item_id), 301)


@app.get("/tags/<tag>")
def tag(tag: str) -> str:
    items = [entry for entry in load_items().values() if tag in entry["tags"]]
    if not items:
        abort(404)
    return render_template("index.html", items=items, tag=tag)


@app.post("/items/<int:item_id>/order")
def order_item(item_id: int) -> ResponseReturnValue:
    if "user" not in session:
        abort(403)
    order = orders.add(find_item(item_id)["id"], 1)
    flash(f"Order {order['id']} is on its way.")
    return redirect(url_for("index"), 303)


@app.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("login.html")
    # No password: this shows a session, not how to check who someone is.
    name = request.form.get("name", "").strip()
    if not name:
        abort(400, "a name is needed")
    session["user"] = name
    return redirect(url_for("index"), 303)


@app.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    return redirect(url_for("index"), 303)


@app.get("/visits")
def visits() -> dict[str, Any]:
    session["visits"] = session.get("visits", 0) + 1
    return {"user": session.get("user"), "visits": session["visits"]}


# Bodies in, files out


@app.route("/upload", methods=["GET", "POST"])
def upload() -> tuple[dict[str, Any], int] | str:
    if request.method == "GET":
        return render_template("upload.html")
    file = request.files.get("file")
    if file is None or not file.filename:
        abort(400, "choose a file first")
    answer = {
        "name": file.filename,
        "type": file.mimetype,
        "note": request.form.get("note", ""),
        **digest(file.stream),
    }
    return answer, 201


@app.route("/digest", methods=["POST", "PUT"])
def digest_body() -> dict[str, Any]:
    return digest(request.stream)


@app.get("/catalogue.csv")
def catalogue() -> Response:
    return send_file(CATALOGUE, mimetype="text/csv", as_attachment=True)


# Streams


@app.get("/stream")
def stream() -> Response:
    """``n`` lines; with ``gate=NAME``, one more each time that the gate is opened."""
    count = request.args.get("n", 5, type=int)
    if not 1 <= count <= MAX_LINES:
        abort(400, f"n must be from 1 to {MAX_LINES}")
    name = request.args.get("gate")
    gate = None if name is None else streams.gate_file(name)
    return Response(stream_with_context(streams.lines(count, gate)), mimetype="text/plain")


@app.post("/gates/<name>")
def open_gate(name: str) -> Response:
    streams.open_gate(streams.gate_file(name))
    return no_content()


@app.get("/events")
def events() -> Response:
    """Orders as they come in, or those after the ``Last-Event-ID`` that a browser sends."""
    last_id = request.headers.get("Last-Event-ID", type=int)
    if last_id is None:
        last_id = orders.newest_id()
    return Response(
        streams.order_events(last_id, request.args.get("limit", type=int)),
        mimetype="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )


# The API


@app.get("/api/items")
def api_items() -> Response:
    return jsonify(list(load_items().values()))


@app.get("/api/items/<int:item_id>")
def api_item(item_id: int) -> dict[str, Any]:
    return find_item(item_id)


@app.post("/api/orders")
def api_add_order() -> tuple[dict[str, Any], int, dict[str, str]]:
    wanted = request.get_json()
    if not isinstance(wanted, dict):
        abort(400, "an object with item and quantity is needed")
    item_id, quantity = wanted.get("item"), wanted.get("quantity", 1)
    if type(item_id) is not int or item_id not in load_items():
        abort(400, "item must be the id of an item")
    if type(quantity) is not int or not 1 <= quantity <= 100:
        abort(400, "quantity must be from 1 to 100")
    order = orders.add(item_id, quantity)
    return order, 201, {"Location": url_for("api_order", order_id=order["id"])}


@app.get("/api/orders/<int:order_id>")
def api_order(order_id: int) -> dict[str, Any]:
    order = orders.find(order_id)
    if order is None:
        abort(404)
    return order


@app.delete("/api/orders/<int:order_id>")
def api_remove_order(order_id: int) -> Response:
    if not orders.remove(order_id):
        abort(404)
    return no_content()


# Errors, and what the server said


@app.get("/crash")
def crash() -> str:
    raise RuntimeError("this route always fails")


@app.get("/crash/midway")
def crash_midway() -> Response:
    def lines() -> Iterator[str]:
        yield "line 1\n"
        raise RuntimeError("this stream always fails after its first line")

    return Response(lines(), mimetype="text/plain")


@app.errorhandler(HTTPException)
def error_page(error: HTTPException) -> Response:
    """Replaces the body alone: the rest, such as ``Allow`` with 405, belongs to the error."""
    response = app.make_response(error)
    if request.path.startswith("/api/"):
        response.data = json.dumps({"error": error.name, "detail": error.description})
        response.content_type = "application/json"
    else:
        response.data = render_template("error.html", error=error)
    return response


@app.route("/environ", methods=ANY_METHOD)
@app.route("/environ/<path:rest>", methods=ANY_METHOD)
def show_environ(rest: str = "") -> dict[str, Any]:
    """The WSGI environ as it came, less the secrets that a script in a page must not read."""
    return {
        key: value
        for key, value in request.environ.items()
        if (key in CGI_KEYS or key.startswith(("HTTP_", "SSL_", "wsgi.")))
        and key not in ("HTTP_COOKIE", "HTTP_AUTHORIZATION")
        and isinstance(value, (str, int, tuple))
    }


# Helpers


def load_items() -> dict[int, dict[str, Any]]:
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        return {
            int(row["id"]): {
                "id": int(row["id"]),
                "name": row["name"],
                "price": row["price"],
                "tags": row["tags"].split(),
            }
            for row in csv.DictReader(file)
        }


def find_item(item_id: int) -> dict[str, Any]:
    entry = load_items().get(item_id)
    if entry is None:
        abort(404)
    return entry


def no_content() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]  # Flask's default; there is no content to have a type
    return response


def digest(stream: IO[bytes]) -> dict[str, Any]:
    """Reads a body to its end, a piece at a time, so that its size does not matter."""
    size, sha256 = 0, hashlib.sha256()
    while piece := stream.read(64 * 1024):
        size += len(piece)
        sha256.update(piece)
    return {"size": size, "sha256": sha256.hexdigest()}
