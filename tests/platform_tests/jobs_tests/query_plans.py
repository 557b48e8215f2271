"""How the database means to answer a statement: whether an index finds the rows, on either database."""

from __future__ import annotations

from django.db import connection


def plan_of(sql: str) -> str:
    """The plan in words. PostgreSQL is told to look rows up, as it does by itself when there are many."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for way in ("seqscan", "bitmapscan", "sort"):  # so few rows are sorted faster than looked up
                cursor.execute(f"SET LOCAL enable_{way} = off")
            cursor.execute(f"EXPLAIN {sql}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())
