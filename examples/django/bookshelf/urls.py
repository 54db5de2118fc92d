from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    # So that pages have their style without `collectstatic` and with DEBUG off, through a worker
    # for each file. "insecure" is Django's word for that: slow, and meant for development. Where
    # the server has STATIC_ROOT at /static/, requests do not come this far.
    path("static/<path:path>", serve, {"insecure": True}),
    path("", include("books.urls")),
]
