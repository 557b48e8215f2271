"""A spool of the test's own, and a client that speaks tus."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

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

    def send(self, method: str, address: str, data: bytes = b"", content_type: str = "", **headers: str) -> Any:
        headers = {"Tus-Resumable": "1.0.0", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.generic(
            method, address, data, content_type=content_type, headers={k: v for k, v in headers.items() if v}
        )

    def create(self, length: int, data: bytes = b"", *, headers: dict[str, str] | None = None, **fields: str) -> Any:
        given = {"Upload-Length": str(length), "Upload-Metadata": metadata(**fields), **(headers or {})}
        return self.send("POST", "/api/v1/uploads", data, PIECE if data else "", **given)

    def created(self, length: int, **fields: str) -> str:
        """The address of a new upload."""
        answer = self.create(length, **fields)
        assert answer.status_code == 201, answer.content
        return answer.json()["url"]

    def patch(self, address: str, data: bytes, offset: int, **headers: str) -> Any:
        return self.send("PATCH", address, data, headers.pop("content_type", PIECE), Upload_Offset=str(offset), **headers)

    def head(self, address: str) -> Any:
        return self.send("HEAD", address)

    def offset(self, address: str) -> int:
        return int(self.head(address)["Upload-Offset"])

    def whole(self, data: bytes, **fields: str) -> str:
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
