"""A small Flask application: what is measured is mostly Flask."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello():
    return "Hello, world!\n", {"Content-Type": "text/plain"}
