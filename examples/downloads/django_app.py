"""A Django project in one file: a view decides who may have a file; the server sends it."""

from __future__ import annotations

import os
from urllib.parse import quote

import django
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1").split(","),
        SECRET_KEY="for development: there are no sessions here",
        ROOT_URLCONF=__name__,
    )
    django.setup()


def download(request: HttpRequest, name: str) -> HttpResponse:
    if request.GET.get("member") != "yes":  # request.user, in real life
        raise PermissionDenied
    response = HttpResponse()
    # The path is that of an internal location: no client gets there by itself.
    response["X-Accel-Redirect"] = "/internal/" + quote(name)
    # Django says text/html; without it the type is that of the file's name.
    del response["Content-Type"]
    response["Content-Disposition"] = "attachment"
    return response


urlpatterns = [path("downloads/<path:name>", download)]

app = get_wsgi_application()
