"""Cursor pages, newest first: a page costs the same at the end of a long list as at its beginning. Short lists are numbered."""

from __future__ import annotations

import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework import pagination
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from common.queries import size_asked


class _Sized:
    """`page_size` up to 200. Anything but a number is refused, not passed over."""

    page_size: Any = 50
    page_size_query_param: Any = "page_size"
    max_page_size: Any = 200

    def get_page_size(self, request: Request) -> int:
        return size_asked(request, self.page_size_query_param, default=self.page_size, maximum=self.max_page_size)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        parameters = super().get_schema_operation_parameters(view)  # type: ignore[misc]  # of the class this stands before
        for parameter in parameters:
            if parameter["name"] == self.page_size_query_param:
                parameter["schema"] = {"type": "integer", "minimum": 1, "default": self.page_size}
                parameter["description"] = f"How many at most; {self.max_page_size} for more than that."
        return list(parameters)


class PageNumberPagination(_Sized, pagination.PageNumberPagination):
    """{count, next, previous, results}, by `page`."""


class PositionPagination(_Sized, pagination.CursorPagination):
    """{next, previous, results} in the order of `position`, a whole number. Raises NotFound for a cursor that names another."""

    ordering = ("position",)

    def decode_cursor(self, request: Request) -> pagination.Cursor | None:
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not _is_place(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor


class CursorPagination(_Sized, pagination.CursorPagination):
    """{next, previous, results}; the model needs `created_at` and an index on it."""

    ordering = ("-created_at", "-id")

    def decode_cursor(self, request: Request) -> pagination.Cursor | None:
        """The cursor of the request. Raises NotFound for one whose position is no moment: the database would fail on it."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not self.position_is_valid(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor

    def position_is_valid(self, position: str) -> bool:
        """Whether the database can compare with it."""
        return _is_moment(position)


def _is_place(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9


def _is_moment(text: str) -> bool:
    try:
        moment = parse_datetime(text)
        return moment is not None and moment.tzinfo is not None and moment.astimezone(datetime.UTC).year > 1
    except (ValueError, OverflowError):
        return False
