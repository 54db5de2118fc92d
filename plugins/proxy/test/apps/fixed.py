"""A Flask application that believes its proxy, as Flask's documentation has it."""

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)


@app.route("/")
def index():
    return {
        "address": request.remote_addr,
        "scheme": request.scheme,
        "host": request.host,
        "root": request.script_root,
        "url": request.url,
    }
