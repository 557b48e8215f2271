"""Questions that every request of every open page asks, written out once: Django takes several times as long to write such a
statement as the database to answer it.

For objects found by one value. Lists have their own way (jobs.listing).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Model, QuerySet
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class _Written:
    """A statement and how its rows become objects. `place`: which of the parameters is the value asked for."""

    alias: str
    sql: str
    parameters: tuple[Any, ...]
    place: int
    model: type[Model]
    names: Sequence[str]
    columns: slice
    related: Sequence[Any]
    converters: Sequence[tuple[int, tuple[Sequence[Callable[..., Any]], Any]]]


class FoundByValue(Generic[M]):
    """Objects, with what `select_related` names, by one value; each asking is a query of its own and remembers nothing.

    `make` gives the queryset for a value. `example` is one that occurs nowhere else in it, and that the database takes as it is,
    as all values given to `first` must be.
    """

    def __init__(self, make: Callable[[Any], QuerySet[M]], *, example: Any) -> None:
        self._make = make
        self._example = example
        self._written: _Written | None = None

    def first(self, value: Any) -> M | None:
        written = self._written or self._write()
        connection = connections[written.alias]
        parameters = list(written.parameters)
        parameters[written.place] = value
        with connection.cursor() as cursor:
            cursor.execute(written.sql, parameters)
            found = cursor.fetchone()
        if found is None:
            return None
        row = list(found)
        for place, (convert, expression) in written.converters:
            for one in convert:
                row[place] = one(row[place], expression, connection)
        instance: Any = written.model.from_db(written.alias, written.names, row[written.columns])
        for populator in written.related:
            populator.populate(row, instance)
        return instance

    def _write(self) -> _Written:
        queryset = self._make(self._example)[:1]
        compiler = queryset.query.get_compiler(using=queryset.db)
        sql, parameters = compiler.as_sql()
        if parameters.count(self._example) != 1:
            raise ValueError("the example must stand in the statement once")
        select, model = compiler.select, compiler.klass_info["model"]
        columns = compiler.klass_info["select_fields"]
        held = slice(columns[0], columns[-1] + 1)
        self._written = written = _Written(
            alias=queryset.db,
            sql=sql,
            parameters=tuple(parameters),
            place=list(parameters).index(self._example),
            model=model,
            names=[entry[0].target.attname for entry in select[held]],
            columns=held,
            related=get_related_populators(compiler.klass_info, select, queryset.db),  # type: ignore[call-arg]  # of a later Django
            converters=list(compiler.get_converters([entry[0] for entry in select[: compiler.col_count]]).items()),
        )
        return written
