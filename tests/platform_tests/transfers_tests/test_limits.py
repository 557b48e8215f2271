"""What a site may hold and send at a time; nothing is lost when a limit is met."""

from __future__ import annotations

import datetime
import fcntl
import shutil
from pathlib import Path
from typing import Any

from common import clock
from tests.platform_tests.transfers_tests.conftest import TusClient, bytes_in
from transfers.models import Upload, UploadState
from transfers.sweep import uploads_sweep


def test_four_gigabytes_declared_cost_nothing(tus: TusClient, spool: Path, settings: Any) -> None:
    four = 4 * 2**30
    settings.UPLOAD_MIN_FREE_BYTES = -(10**15)  # whatever this machine has free
    assert tus.create(four).json()["code"] == "input:too_large"
    assert tus.create(settings.UPLOAD_MAX_ARCHIVE_BYTES + 1, kind="archive").status_code == 413
    assert not Upload.objects.exists()

    address = tus.created(four, kind="archive")
    tus.patch(address, b"x", 0)

    assert sum(path.stat().st_blocks for path in spool.iterdir()) * 512 <= 4096
    Upload.objects.update(expires_at=clock.now())
    assert uploads_sweep() == 1
    assert bytes_in(spool) == 0


def test_without_room_nothing_is_taken_and_what_arrived_is_kept(tus: TusClient, spool: Path, settings: Any) -> None:
    address = tus.created(100)
    tus.patch(address, b"x" * 10, 0)
    settings.UPLOAD_MIN_FREE_BYTES = shutil.disk_usage(spool).total

    answer = tus.patch(address, b"x" * 10, 10)

    assert (answer.status_code, answer.json()["code"]) == (507, "system:storage_full")
    assert tus.create(100).status_code == 507
    assert (tus.offset(address), bytes_in(spool)) == (10, 10)
    settings.UPLOAD_MIN_FREE_BYTES = 0
    assert tus.patch(address, b"x" * 90, 10).status_code == 204


def test_a_site_has_so_many_open_uploads_and_so_much_space(tus: TusClient, other_tus: TusClient, settings: Any) -> None:
    settings.UPLOAD_MAX_OPEN = 2
    first = tus.created(100)
    second = tus.created(100)

    refused = tus.create(100)

    assert (refused.status_code, refused.json()["code"]) == (429, "input:too_many_uploads")
    assert int(refused["Retry-After"]) > 0
    assert other_tus.create(100).status_code == 201
    settings.UPLOAD_SITE_MAX_BYTES = 100
    assert tus.patch(first, b"x" * 100, 0).status_code == 204
    full = tus.patch(second, b"x", 0)
    assert (full.status_code, full.json()["code"]) == (429, "input:upload_space_used_up")
    assert tus.create(1).json()["code"] == "input:upload_space_used_up"
    assert tus.send("DELETE", first).status_code == 204
    assert tus.patch(second, b"x", 0).status_code == 204


def test_a_site_sends_so_many_at_a_time(tus: TusClient, other_tus: TusClient, settings: Any) -> None:
    settings.UPLOAD_MAX_STREAMS_PER_SITE = 1
    busy = tus.created(100)
    address = tus.created(100)
    Upload.objects.filter(pk=busy.rpartition("/")[2]).update(streaming_until=clock.now() + datetime.timedelta(seconds=30))

    refused = tus.patch(address, b"x", 0)

    assert (refused.status_code, refused.json()["code"]) == (429, "input:too_many_uploads")
    assert refused["Retry-After"]
    assert tus.create(3, b"abc").status_code == 429
    assert Upload.objects.filter(state=UploadState.RECEIVING).count() == 2  # what was created for it is not left behind
    assert other_tus.patch(other_tus.created(100), b"x", 0).status_code == 204
    # A killed process's word runs out.
    Upload.objects.filter(streaming_until__isnull=False).update(streaming_until=clock.now() - datetime.timedelta(seconds=1))
    assert tus.patch(address, b"x", 0).status_code == 204


def test_two_requests_never_write_to_one_upload(tus: TusClient, spool: Path) -> None:
    address = tus.created(100)
    tus.patch(address, b"x" * 10, 0)
    [path] = spool.iterdir()

    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answer = tus.patch(address, b"y" * 10, 10)

    assert (answer.status_code, answer.json()["code"]) == (423, "input:upload_busy")
    assert answer["Upload-Offset"] == "10"
    assert tus.patch(address, b"y" * 10, 10).status_code == 204
