"""A planted patient, looked for wherever a batch leaves traces: the database, messages to workers, logs, the object store."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from accounts.models import AuditEntry
from jobs.dispatcher import orders_dispatch
from transfers.models import UploadKind

PLANTED = (b"Planted", b"PLANTED", b"MRN-00042", b"A00042", b"1.2.826.0.1.3680043.10.99.42")


def database_bytes() -> bytes:
    """Everything that is stored, deleted pages of SQLite included."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            path = Path(settings.DATABASES["default"]["NAME"])
            return b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*"))
        found = []
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t")  # noqa: S608 - our own tables
            found += [row[0].encode() for row in cursor.fetchall()]
        return b"\n".join(found)


def messages_of(broker: Any) -> bytes:
    """Every message that waits in the broker, envelope and body."""
    found = b""
    for key in broker.scan_iter():
        if broker.type(key) == b"list":
            for message in broker.lrange(key, 0, -1):
                found += message + base64.b64decode(json.loads(message)["body"])
    return found


@pytest.mark.django_db(transaction=True)
def test_a_patient_is_nowhere_but_in_the_senders_results(
    api, deployment, redis_broker: Any, upload_of, mammograms, turn, work, store, caplog
) -> None:
    caplog.set_level("DEBUG")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("PLANTED^NAME/MRN-00042/a.dcm", mammograms(42))
        archive.writestr("PLANTED^NAME/MRN-00042/../evil.dcm", b"x")
        archive.writestr("PLANTED^NAME/readme.zip", b"PK\x03\x04")
    items = [{"custom_id": "cut", "uploads": [upload_of(mammograms(42)[:2000])]}]
    manifest = {"items": items, "archives": [upload_of(buffer.getvalue(), kind=UploadKind.ARCHIVE)], "auto_start": True}
    batch = api.post("/api/v1/batches", manifest).json()
    turn()
    assert orders_dispatch() == 1
    messages = messages_of(redis_broker)
    work()
    turn()

    results = b"".join(api.get(f"{batch['url']}/results").streaming_content)
    stored = b"".join(store.get_bytes(key) for key in store.list_keys("sites"))
    document = api.get(batch["url"]).content + api.get(f"{batch['url']}/items").content + api.get("/api/v1/quarantine").content
    database = database_bytes()

    assert b"MRN-00042" in results
    assert str(batch["id"]).replace("-", "").encode() in database.replace(b"-", b"")  # the right place was looked at
    assert b"artifact_prefix" in messages
    for planted in PLANTED:
        for name, where in (("database", database), ("messages", messages), ("objects", stored), ("documents", document)):
            assert planted not in where, name
        assert planted.decode() not in caplog.text
    assert AuditEntry.objects.filter(action="batch.results", subject=batch["id"]).count() == 1
