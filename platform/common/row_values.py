"""`(a, b) >= (x, y)` in one comparison, which an index over a, b is searched by; spelt with OR, it would not be.

PostgreSQL searches by all columns. SQLite leaves out an `id` that is the table's own key, and searches by those before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, Value
from django.db.models.sql.compiler import SQLCompiler


class RowCompare(Func):
    """Columns against values, in the order of the columns. For `filter()`; SQLite and PostgreSQL know row values."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, columns: Sequence[str], operator: Literal["<", "<=", ">", ">="], values: Sequence[Any]) -> None:
        self.operator = operator
        super().__init__(*[F(column) for column in columns], *[Value(value) for value in values])

    def deconstruct(self) -> Any:
        raise NotImplementedError("for queries, not for migrations")

    def as_sql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **extra_context: Any,
    ) -> tuple[str, tuple[str | int, ...]]:
        parts: list[str] = []
        params: tuple[str | int, ...] = ()
        for expression in self.source_expressions:
            sql, more = compiler.compile(expression)
            parts.append(sql)
            params += tuple(more)
        half = len(parts) // 2
        return f"({', '.join(parts[:half])}) {self.operator} ({', '.join(parts[half:])})", params
