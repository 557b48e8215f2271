"""Files on their way in: capped, on disk, gone afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.test import RequestFactory

from common.problems import Problem
from common.uploads import UploadCleanupMiddleware
from studies.uploads import files_welcome

_BOUNDARY = "frontier"


def _body(*files: bytes, name: str = "Roe^Jane.dcm") -> bytes:
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        f"Content-Type: application/dicom\r\n\r\n".encode()
        + file
        + b"\r\n"
        for file in files
    ]
    return b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()


def _request(body: bytes):
    request = RequestFactory().post("/anywhere", data=body, content_type=f"multipart/form-data; boundary={_BOUNDARY}")
    files_welcome(request)
    return request


@pytest.fixture
def incoming(settings, tmp_path: Path) -> Path:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "incoming")
    return tmp_path / "incoming"


def test_a_file_lies_on_disk_under_a_name_of_ours(incoming: Path) -> None:
    request = _request(_body(b"x" * 10))

    upload = request.FILES["files"]

    assert isinstance(upload, TemporaryUploadedFile)
    assert upload.read() == b"x" * 10
    assert upload.size == 10
    assert upload.name == "Roe^Jane.dcm"
    assert "Roe" not in upload.temporary_file_path()
    assert ".dcm" not in upload.temporary_file_path()
    upload.close()
    assert list(incoming.iterdir()) == []


def test_a_file_over_its_cap_is_refused_and_removed(incoming: Path, settings) -> None:
    settings.INTAKE_MAX_FILE_BYTES = 100_000

    with pytest.raises(Problem) as caught:
        _request(_body(b"x" * 50_000, b"x" * 200_000)).FILES  # noqa: B018 reading it is the act

    assert (caught.value.status, caught.value.code) == (413, "input:too_large")
    assert list(incoming.iterdir()) == []


def test_a_request_that_declares_too_much_is_refused_unread(incoming: Path, settings) -> None:
    settings.INTAKE_MAX_REQUEST_BYTES = 100_000

    with pytest.raises(Problem) as caught:
        _request(_body(b"x" * 200_000)).FILES  # noqa: B018

    assert caught.value.status == 413
    assert not incoming.exists()


def test_one_file_too_many_is_refused(incoming: Path, settings) -> None:
    settings.INTAKE_MAX_FILES = 2

    with pytest.raises(Problem) as caught:
        _request(_body(b"a", b"b", b"c")).FILES  # noqa: B018

    assert (caught.value.status, caught.value.code) == (413, "input:too_many_files")
    assert list(incoming.iterdir()) == []


class _HangsUp(io.RawIOBase):
    """A client that goes away in the middle of its file."""

    def __init__(self, body: bytes) -> None:
        self._chunks: Iterator[bytes] = iter([body])

    def read(self, size: int = -1) -> bytes:
        try:
            return next(self._chunks)
        except StopIteration:
            raise OSError("connection reset") from None


def test_a_client_that_hangs_up_leaves_nothing_on_disk(incoming: Path) -> None:
    body = _body(b"x" * 300_000)
    request = _request(body)
    request._stream = _HangsUp(body[:150_000])

    def view(request: HttpRequest) -> HttpResponse:
        with pytest.raises(UnreadablePostError):
            request.FILES  # noqa: B018
        assert len(list(incoming.iterdir())) == 1
        return HttpResponse()

    UploadCleanupMiddleware(view)(request)

    assert list(incoming.iterdir()) == []


def test_a_file_over_the_cap_reaches_the_sender_as_a_problem(api, store, settings) -> None:
    settings.INTAKE_MAX_FILE_BYTES = 1000

    response = api.post("/api/v1/studies", {"files": io.BytesIO(b"x" * 5000)}, format="multipart")

    assert response.status_code == 413
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "input:too_large"


def test_an_anonymous_upload_is_refused_before_its_body_is_read(client, store, settings, db) -> None:
    response = client.post("/api/v1/studies", {"files": io.BytesIO(b"x" * 5000)})

    assert response.status_code == 401
    assert not Path(settings.FILE_UPLOAD_TEMP_DIR).exists()
