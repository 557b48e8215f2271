"""Thousands of rows in one go: prepared column by column, because most columns of a manifest's items hold the same few values.

Django's bulk_create compiles every value of every row; this takes a quarter of its time. For new rows of models whose columns say
all there is: no signals, no relations to follow, keys made by the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, models

_ROWS_AT_ONCE = 2000


def rows_insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model, inside the caller's transaction. Raises what the database raises."""
    if not rows:
        return
    fields = rows[0]._meta.concrete_fields
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column or field.name) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {quote(rows[0]._meta.db_table)} ({columns}) VALUES ({places})"  # noqa: S608 names of our own model
    with connection.cursor() as cursor:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            prepared = [_column(field, some) for field in fields]
            cursor.executemany(statement, list(zip(*prepared, strict=True)))


def _column(field: models.Field[Any, Any], rows: Sequence[models.Model]) -> list[Any]:
    known: dict[Any, Any] = {}
    column = []
    for row in rows:
        value = field.pre_save(row, add=True)
        key = (type(value), value) if value.__hash__ is not None else (type(value), None) if not value else None
        if key is None:
            column.append(field.get_db_prep_save(value, connection))
            continue
        if key not in known:
            known[key] = field.get_db_prep_save(value, connection)
        column.append(known[key])
    return column
