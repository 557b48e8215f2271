"""A spool of the test's own, and a client that speaks tus."""

from __future__ import annotations

import base64
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.platform_tests.studies_tests.conftest import mammogram_make

PIECE = "application/offset+octet-stream"


@pytest.fixture(autouse=True)
def spool(settings: Any, tmp_path: Path, store: Any) -> Path:
    """The folder uploads grow in. Made by the first of them."""
    settings.UPLOAD_SPOOL_DIR = str(tmp_path / "spool")
    settings.UPLOAD_MIN_FREE_BYTES = 1024 * 1024
    return tmp_path / "spool"


def bytes_in(folder: Path) -> int:
    """What lies in a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0


def metadata(**fields: str) -> str:
    """Upload-Metadata."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in fields.items())


class TusClient:
    """One caller's uploads over the API, header by header."""

    def __init__(self, client: APIClient) -> None:
        self.client = client

    def send(self, method: str, address: str, data: bytes = b"", content_type: str = "", **headers: Any) -> Any:
        headers = {"Tus-Resumable": "1.0.0", **{name.replace("_", "-"): value for name, value in headers.items()}}
        client: Any = self.client  # typed for text alone
        return client.generic(method, address, data, content_type=content_type, headers={k: v for k, v in headers.items() if v})

    def create(self, length: int, data: bytes = b"", *, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        given = {"Upload-Length": str(length), "Upload-Metadata": metadata(**fields), **(headers or {})}
        return self.send("POST", "/api/v1/uploads", data, PIECE if data else "", **given)

    def created(self, length: int, **fields: Any) -> str:
        """The address of a new upload."""
        answer = self.create(length, **fields)
        assert answer.status_code == 201, answer.content
        return answer.json()["url"]

    def patch(self, address: str, data: bytes, offset: int, **headers: Any) -> Any:
        return self.send("PATCH", address, data, headers.pop("content_type", PIECE), Upload_Offset=str(offset), **headers)

    def head(self, address: str) -> Any:
        return self.send("HEAD", address)

    def offset(self, address: str) -> int:
        return int(self.head(address)["Upload-Offset"])

    def whole(self, data: bytes, **fields: Any) -> str:
        """The id of an upload that is finished."""
        answer = self.create(len(data), data, **fields)
        assert (answer.status_code, answer.json()["state"]) == (201, "finished"), answer.content
        return answer.json()["id"]


@pytest.fixture
def tus(api: APIClient) -> TusClient:
    return TusClient(api)


@pytest.fixture
def other_tus(other_api: APIClient) -> TusClient:
    return TusClient(other_api)


@pytest.fixture
def tus_of(client_of: Callable[..., APIClient]) -> Callable[..., TusClient]:
    return lambda user: TusClient(client_of(user))


@pytest.fixture
def incoming(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """Where entries are unpacked; empty again after every test."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "incoming")
    yield tmp_path / "incoming"
    assert bytes_in(tmp_path / "incoming") == 0
    assert not any((tmp_path / "incoming").glob("*"))


@pytest.fixture
def made(tmp_path: Path, incoming: Path) -> Callable[..., Path]:
    """An archive of entries: name or ZipInfo → bytes; one good mammogram is always first."""

    def make(*entries: tuple[str | zipfile.ZipInfo, bytes], good: bool = True) -> Path:
        path = tmp_path / "archive.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in ([("good.dcm", mammogram_make())] if good else []) + list(entries):
                archive.writestr(name, data)
        return path

    return make
