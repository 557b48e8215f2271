"""tus 1.0.0 over the API: every answer of the protocol, and what it leaves on disk."""

from __future__ import annotations

import base64
import datetime
import hashlib
import logging
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.http import UnreadablePostError

from accounts.models import User
from common import clock
from tests.platform_tests.transfers_tests.conftest import PIECE, TusClient, bytes_in
from transfers.models import Upload, UploadState
from transfers.sweep import orphans_remove, uploads_sweep

DATA = bytes(range(256)) * 40


def checksum(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def test_what_is_offered(tus: TusClient, settings: Any) -> None:
    answer = tus.send("OPTIONS", "/api/v1/uploads")

    assert answer.status_code == 204
    assert answer["Tus-Version"] == answer["Tus-Resumable"] == "1.0.0"
    assert set(answer["Tus-Extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "expiration",
        "checksum",
        "termination",
    }
    assert answer["Tus-Max-Size"] == str(settings.UPLOAD_MAX_ARCHIVE_BYTES)
    assert answer["Tus-Checksum-Algorithm"] == "sha256,sha1"


def test_a_file_arrives_in_pieces(tus: TusClient, spool: Path) -> None:
    batch = str(uuid.uuid4())
    answer = tus.create(len(DATA), filename="Roe^Jane R_MLO.png", filetype="image/png", batch=batch, custom_id="case-1/2")
    assert answer.status_code == 201
    address = answer.json()["url"]
    assert answer["Location"] == f"http://testserver{address}"
    assert "Upload-Expires" in answer

    first = tus.patch(address, DATA[:4000], 0)
    assert (first.status_code, first["Upload-Offset"], first.content) == (204, "4000", b"")
    head = tus.head(address)
    assert (head.status_code, head["Upload-Offset"], head["Upload-Length"]) == (200, "4000", str(len(DATA)))
    assert head["Cache-Control"] == "no-store"
    last = tus.patch(address, DATA[4000:], 4000)

    assert last["Upload-Offset"] == str(len(DATA))
    document = tus.client.get(address).json()
    assert (document["state"], document["media_type"], document["batch"], document["custom_id"]) == (
        "finished",
        "image/png",
        batch,
        "case-1/2",
    )
    [path] = spool.iterdir()
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o077 == 0
    upload = Upload.objects.get()
    assert upload.name_hint == "RIGHT_MLO"
    assert "Roe" not in str(vars(upload))
    # A client whose last answer was lost may ask again and even send the empty rest again.
    assert tus.offset(address) == len(DATA)
    assert tus.patch(address, b"", len(DATA)).status_code == 204


def test_the_first_bytes_may_come_with_the_creation(tus: TusClient, spool: Path) -> None:
    answer = tus.create(len(DATA), DATA[:100])

    assert (answer.status_code, answer["Upload-Offset"]) == (201, "100")
    assert bytes_in(spool) == 100


def test_an_upload_of_nothing_is_finished_at_once(tus: TusClient) -> None:
    assert tus.create(0).json()["state"] == "finished"


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE", "POST"])
def test_another_version_is_refused(tus: TusClient, method: str) -> None:
    address = "/api/v1/uploads" if method == "POST" else tus.created(10)
    for version in ("", "0.2.2"):
        answer = tus.send(method, address, Tus_Resumable=version)
        assert (answer.status_code, answer["Tus-Version"]) == (412, "1.0.0")


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"Upload-Length": ""}, {}),
        ({"Upload-Length": "-1"}, {}),
        ({"Upload-Length": "9" * 30}, {}),
        ({"Upload-Length": "ten"}, {}),
        ({"Upload-Metadata": "kind =!"}, {}),
        ({"Upload-Checksum": "md5 AAAA"}, {}),
        ({"Upload-Checksum": "sha256 AAAA"}, {}),
        ({}, {"kind": "video"}),
        ({}, {"batch": "first"}),
        ({}, {"sha256": "abc"}),
        ({}, {"custom_id": "Roe^Jane"}),
    ],
)
def test_a_malformed_creation_is_refused(tus: TusClient, headers: dict[str, str], fields: dict[str, Any]) -> None:
    answer = tus.create(10, headers=headers, **fields)

    assert (answer.status_code, answer.json()["code"]) == (400, "input:invalid_field")
    assert answer["Tus-Resumable"] == "1.0.0"
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("offset", "data", "headers", "expected"),
    [
        (5, b"x", {}, (409, "input:upload_offset_mismatch")),
        (10, b"x" * 91, {}, (413, "input:upload_length_exceeded")),
        (10, b"x", {"content_type": "application/octet-stream"}, (415, "request:unsupported_media_type")),
        (10, b"x", {"Upload_Checksum": "crc32 AAAA"}, (400, "input:invalid_field")),
        (10, b"x", {"Upload_Checksum": checksum(b"y")}, (460, "input:upload_checksum_mismatch")),
    ],
)
def test_a_wrong_piece_changes_nothing(
    tus: TusClient, spool: Path, offset: int, data: bytes, headers: dict[str, Any], expected: tuple[int, str]
) -> None:
    address = tus.created(100)
    tus.patch(address, b"0123456789", 0)

    answer = tus.patch(address, data, offset, **headers)

    assert (answer.status_code, answer.json()["code"]) == expected
    assert (tus.offset(address), bytes_in(spool)) == (10, 10)
    if expected[0] in (409, 460):
        assert answer["Upload-Offset"] == "10"
    assert tus.patch(address, b"x" * 90, 10).status_code == 204


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_a_piece_with_the_right_checksum_is_kept(tus: TusClient, algorithm: str) -> None:
    address = tus.created(10)

    assert tus.patch(address, b"01234", 0, Upload_Checksum=checksum(b"01234", algorithm)).status_code == 204
    assert tus.offset(address) == 5


def test_a_file_that_is_not_what_was_announced_is_refused_and_gone(tus: TusClient, spool: Path) -> None:
    address = tus.created(len(DATA), sha256=hashlib.sha256(b"another").hexdigest())

    answer = tus.patch(address, DATA, 0)

    assert (answer.status_code, answer.json()["code"]) == (460, "input:upload_checksum_mismatch")
    assert bytes_in(spool) == 0
    document = tus.client.get(address).json()
    assert (document["state"], document["failure"]["code"]) == ("refused", "input:upload_checksum_mismatch")
    assert tus.head(address).status_code == 410
    assert tus.patch(address, DATA, 0).json()["code"] == "input:upload_gone"
    good = tus.created(len(DATA), sha256=hashlib.sha256(DATA).hexdigest())
    assert tus.patch(good, DATA, 0).status_code == 204


def test_an_upload_can_be_ended(tus: TusClient, spool: Path) -> None:
    address = tus.created(100)
    tus.patch(address, b"x" * 50, 0)

    with_override = tus.send("POST", address, X_HTTP_Method_Override="DELETE")

    assert with_override.status_code == 204
    assert bytes_in(spool) == 0
    assert tus.send("DELETE", address).status_code == 410
    assert tus.head(address).status_code == 410
    assert tus.patch(address, b"x", 50).status_code == 410


def test_a_method_that_proxies_do_not_know_can_be_named_in_a_header(tus: TusClient) -> None:
    address = tus.created(100)

    answer = tus.send("POST", address, b"abc", PIECE, Upload_Offset="0", X_HTTP_Method_Override="PATCH")

    assert (answer.status_code, answer["Upload-Offset"]) == (204, "3")
    assert tus.send("POST", address).status_code == 405


def test_nobody_else_sees_an_upload(tus: TusClient, other_tus: TusClient, tus_of: Any, reader: User) -> None:
    address = tus.created(100)

    for method in ("HEAD", "DELETE", "GET"):
        assert other_tus.send(method, address).status_code == 404
    assert other_tus.patch(address, b"x", 0).status_code == 404
    assert other_tus.client.get("/api/v1/uploads").json()["results"] == []
    assert tus.send("HEAD", f"/api/v1/uploads/{uuid.uuid4()}").status_code == 404
    assert tus_of(reader).create(5).status_code == 403
    assert tus_of(reader).client.get(address).status_code == 200


def test_uploads_are_listed_by_batch_and_state(tus: TusClient) -> None:
    batch = str(uuid.uuid4())
    tus.whole(b"abc", batch=batch, custom_id="one")
    tus.created(5, batch=batch, custom_id="two")
    tus.created(5)

    listed = tus.client.get(f"/api/v1/uploads?batch={batch}")
    finished = tus.client.get(f"/api/v1/uploads?batch={batch}&state=finished")

    assert [upload["custom_id"] for upload in listed.json()["results"]] == ["two", "one"]
    assert [upload["custom_id"] for upload in finished.json()["results"]] == ["one"]
    again = tus.client.get(f"/api/v1/uploads?batch={batch}", headers={"If-None-Match": listed["ETag"]})
    assert again.status_code == 304


# ── accidents ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class _HangsUp:
    """A body whose client goes away after `data`."""

    def __init__(self, data: bytes, error: Exception | None) -> None:
        self._pieces = [data]
        self._error = error

    def read(self, size: int = -1) -> bytes:
        if self._pieces:
            return self._pieces.pop()
        if self._error is None:
            return b""
        raise self._error

    readline = read


def patch_from(tus: TusClient, address: str, body: _HangsUp, **headers: str) -> Any:
    """PATCH of 1000 bytes from the beginning, with a body of ours."""
    client: Any = tus.client
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", **headers}
    return client.generic("PATCH", address, b"x" * 1000, content_type=PIECE, headers=headers, **{"wsgi.input": body})


@pytest.mark.parametrize("error", [None, ConnectionResetError(), UnreadablePostError()])
def test_what_arrived_before_the_client_vanished_is_kept(tus: TusClient, spool: Path, error: Exception | None) -> None:
    address = tus.created(1000)

    answer = patch_from(tus, address, _HangsUp(b"x" * 700, error))

    assert (answer.status_code, answer.json()["code"]) == (400, "input:upload_interrupted")
    assert (tus.offset(address), bytes_in(spool)) == (700, 700)
    assert tus.patch(address, b"x" * 300, 700).status_code == 204


def test_an_unproven_piece_of_a_vanished_client_is_not_kept(tus: TusClient, spool: Path) -> None:
    address = tus.created(1000)

    patch_from(tus, address, _HangsUp(b"x" * 700, None), **{"Upload-Checksum": checksum(b"x" * 1000)})

    assert (tus.offset(address), bytes_in(spool)) == (0, 0)


def test_file_and_row_are_made_to_agree(tus: TusClient, spool: Path) -> None:
    address = tus.created(100)
    tus.patch(address, b"a" * 10, 0)
    [path] = spool.iterdir()
    path.write_bytes(b"a" * 10 + b"written and never confirmed")

    assert tus.patch(address, b"b" * 10, 10).status_code == 204
    assert path.read_bytes() == b"a" * 10 + b"b" * 10

    path.write_bytes(b"a" * 4)  # the disk lost what it had confirmed
    answer = tus.patch(address, b"c", 20)
    assert (answer.status_code, answer["Upload-Offset"]) == (409, "4")
    assert tus.patch(address, b"c" * 96, 4).status_code == 204
    assert path.read_bytes() == b"a" * 4 + b"c" * 96


def test_an_idle_upload_expires_and_its_bytes_go(tus: TusClient, spool: Path, settings: Any) -> None:
    settings.UPLOAD_MAX_IDLE_HOURS = 1.0
    address = tus.created(100)
    tus.patch(address, b"x" * 10, 0)
    busy = tus.created(100)
    tus.patch(busy, b"x" * 7, 0)
    past = clock.now() - datetime.timedelta(seconds=1)
    Upload.objects.update(expires_at=past)
    assert tus.head(address).status_code == 410
    assert tus.patch(address, b"x", 10).status_code == 410
    Upload.objects.filter(pk=busy.rpartition("/")[2]).update(streaming_until=clock.now() + datetime.timedelta(seconds=30))

    assert uploads_sweep() == 1

    assert bytes_in(spool) == 7
    assert tus.client.get(address).json()["state"] == "expired"


def test_files_without_an_upload_are_swept(tus: TusClient, spool: Path) -> None:
    tus.whole(b"kept")
    gone = tus.whole(b"consumed, and its process killed")
    Upload.objects.filter(pk=gone).update(state=UploadState.CONSUMED)
    (spool / uuid.uuid4().hex).write_bytes(b"unknown")
    (spool / "stray").write_bytes(b"not ours")

    assert orphans_remove() == 0  # young
    assert orphans_remove(older_than_seconds=-1) == 3
    assert [path.read_bytes() for path in spool.iterdir()] == [b"kept"]


def test_no_name_of_a_file_reaches_the_log(tus: TusClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    address = tus.created(10, filename="Roe^Jane.dcm", name="Roe^Jane.dcm", relativePath="Roe^Jane/1.dcm")
    tus.patch(address, b"x", 3)
    tus.patch(address, b"x" * 10, 0)

    assert "Roe" not in caplog.text
    assert "Roe" not in tus.client.get(address).content.decode()
