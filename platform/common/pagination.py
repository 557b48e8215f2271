"""Cursor pages, newest first: a page costs the same at the end of a long list as at its beginning."""

from __future__ import annotations

import datetime

from django.utils.dateparse import parse_datetime
from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.request import Request


class CursorPagination(pagination.CursorPagination):
    """{next, previous, results}. `page_size` up to 200; the model needs `created_at` and an index on it."""

    ordering = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> pagination.Cursor | None:
        """The cursor of the request. Raises NotFound for one whose position is no moment: the database would fail on it."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not self.position_is_valid(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor

    def position_is_valid(self, position: str) -> bool:
        """Whether the database can compare with it."""
        return _is_moment(position)


def _is_moment(text: str) -> bool:
    try:
        moment = parse_datetime(text)
        return moment is not None and moment.tzinfo is not None and moment.astimezone(datetime.UTC).year > 1
    except (ValueError, OverflowError):
        return False
