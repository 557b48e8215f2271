"""What every test of the repository shares. The settings are in tests/settings.py, which is read before this."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=["sqlite", "postgres"], default="sqlite", help="what the platform's tests run on")


def pytest_report_header(config: pytest.Config) -> str:
    from django.db import connection

    return f"database: {connection.vendor}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The second run, on PostgreSQL, leaves out what asks for no database."""
    if config.getoption("--database") != "postgres":
        return
    asking = {"db", "transactional_db", "django_db_setup", "live_server"}
    kept = [item for item in items if item.get_closest_marker("django_db") or asking & set(getattr(item, "fixturenames", ()))]
    if left := [item for item in items if item not in set(kept)]:
        config.hook.pytest_deselected(items=left)
        items[:] = kept
