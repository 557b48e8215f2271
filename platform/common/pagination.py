"""Cursor pages, newest first: a page costs the same at the end of a long list as at its beginning."""

from __future__ import annotations

from rest_framework import pagination


class CursorPagination(pagination.CursorPagination):
    """{next, previous, results}. `page_size` up to 200; the model needs `created_at` and an index on it."""

    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
