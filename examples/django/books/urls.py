from django.urls import path

from books import views

urlpatterns = [
    path("", views.shelf, name="shelf"),
    path("books/<int:pk>/", views.book, name="book"),
    path("books.csv", views.export, name="export"),
]
