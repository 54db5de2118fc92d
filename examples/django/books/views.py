from __future__ import annotations

import csv
from collections.abc import Iterator

from django.contrib import messages
from django.forms import modelform_factory
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from books.models import Book

BookForm = modelform_factory(Book, fields=["title", "author"])


@require_http_methods(["GET", "HEAD", "POST"])
def shelf(request: HttpRequest) -> HttpResponse:
    form = BookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        book = form.save()
        messages.success(request, f"Added {book}.")
        return redirect(book)
    context = {"books": Book.objects.all(), "form": form}
    return render(request, "books/shelf.html", context, status=400 if form.is_bound else 200)


@require_safe
def book(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "books/book.html", {"book": get_object_or_404(Book, pk=pk)})


@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Every book as a line of CSV, read from the database while it is sent."""
    return StreamingHttpResponse(
        csv_lines(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="books.csv"'},
    )


def csv_lines() -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(["id", "title", "author"])
    for row in Book.objects.order_by("pk").values_list("pk", "title", "author").iterator():
        yield writer.writerow(row)


class Echo:
    """A file for csv.writer: ``writerow`` returns what ``write`` does, which is the line."""

    def write(self, line: str) -> str:
        return line
