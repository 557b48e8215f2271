"""Uploads against a server that stumbles: every byte arrives, once, from where the last piece stopped."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from mammoserve_client import AsyncClient, Client, RetryPolicy, Unreachable, UploadFailed
from mammoserve_client.uploads import CHUNK_BYTES, upload_file
from tests.platform_tests.client_tests.scripted_tus import Script, scripted_tus

QUICK = RetryPolicy(attempts=4, first_seconds=0.001, longest_seconds=0.002)
PIECE = 1000


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "DOE^JANE.dcm"
    path.write_bytes(bytes(index * 7 % 251 for index in range(4500)))
    return path


def send(script: Script, path: Path, **more: object) -> tuple[str, list[int]]:
    seen: list[int] = []
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    with Client(script.url, "token", policy=QUICK) as client:
        upload = client._run(
            upload_file(path=path, sha256=sha256, chunk_bytes=PIECE, policy=QUICK, on_progress=seen.append, **more)  # type: ignore[arg-type]
        )
    assert upload.is_complete
    return upload.id, seen


@pytest.mark.parametrize("happenings", [(), ("break",), ("busy", "busy"), ("damage",), ("", "break", "break", "", "busy")])
def test_every_byte_arrives_once_whatever_happens_on_the_way(image: Path, happenings: tuple[str, ...]) -> None:
    with scripted_tus(*happenings) as script:
        number, seen = send(script, image)
        assert bytes(script.uploads[number]) == image.read_bytes()
        assert len(script.uploads) == 1
        assert (seen[0], seen[-1], seen == sorted(seen)) == (0, 4500, True)


def test_the_server_is_told_the_digest_and_never_the_name(image: Path) -> None:
    with scripted_tus() as script:
        number, _ = send(script, image)
    assert script.metadata[number] == {"kind": "file", "sha256": hashlib.sha256(image.read_bytes()).hexdigest()}


def test_an_upload_goes_on_where_an_earlier_process_stopped(image: Path) -> None:
    with scripted_tus() as script:
        script.uploads["u1"], script.lengths["u1"] = bytearray(image.read_bytes()[:3000]), 4500
        number, seen = send(script, image, upload_id="u1")
        assert (number, seen[0], script.requests.count("PATCH"), script.requests.count("POST")) == ("u1", 3000, 2, 0)
        assert bytes(script.uploads["u1"]) == image.read_bytes()


def test_an_upload_that_is_gone_is_begun_again(image: Path) -> None:
    created: list[str] = []
    with scripted_tus() as script:
        number, _ = send(script, image, upload_id="swept", on_created=created.append)
        assert (number, created) == ("u1", ["u1"])


def test_an_upload_that_cannot_arrive_ends_with_the_reason(image: Path) -> None:
    with scripted_tus(*["damage"] * 9) as script, pytest.raises(UploadFailed, match="something changes it on the way"):
        send(script, image)
    with scripted_tus(*["break"] * 40) as script, pytest.raises((Unreachable, UploadFailed)):
        send(script, image)


def test_a_server_that_is_not_there_is_said_to_be_so() -> None:
    with Client("http://127.0.0.1:9", "token", policy=QUICK) as client, pytest.raises(Unreachable, match="GET /api/v1/batches/x"):
        client.batch("x")


def test_the_async_client_sends_the_same(image: Path) -> None:
    async def run(url: str) -> str:
        async with AsyncClient(url, "token", policy=QUICK) as client:
            return (await client.upload(image)).id

    with scripted_tus("break", "busy") as script:
        number = asyncio.run(run(script.url))
        assert bytes(script.uploads[number]) == image.read_bytes()
    assert len(image.read_bytes()) <= CHUNK_BYTES
