"""Uploads through the web server as it runs in service: killed in the middle, at a snail's pace, from many at once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import transfers
from accounts.models import User
from accounts.services import token_issue
from tests.platform_tests.jobs_tests.test_ledger_process import database_url
from tests.platform_tests.studies_tests.conftest import mammogram_make
from tests.platform_tests.transfers_tests.conftest import PIECE, bytes_in, metadata
from transfers.models import Upload, UploadState

PLATFORM = Path(transfers.__file__).resolve().parents[1]
#: As platform/Dockerfile and the launcher start it, with one process, so that every thread of it is known.
SERVER = ("config.wsgi:application", "--worker-class", "gthread", "--workers", "1", "--threads", "8", "--preload")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.processes]


class Server:
    """gunicorn on the tests' own database and a spool of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.spool = folder / "transfers"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.headers = {"Tus-Resumable": "1.0.0"}
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=self.headers, timeout=30, trust_env=False)
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": f"{PLATFORM}{os.pathsep}{PLATFORM.parent}",
            "SECRET_KEY": "only for this test",
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url(),
            "UPLOAD_MIN_FREE_MB": "1",
            **environment,
        }

    def __enter__(self) -> Server:
        command = [sys.executable, "-m", "gunicorn", *SERVER, "--bind", f"127.0.0.1:{self.port}", "--no-control-socket"]
        with (self.folder / "web.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environment, cwd=self.folder, stdout=log, stderr=log)
        wait_until(self.answers, what="the web server")
        return self

    def __exit__(self, *details: object) -> None:
        self.client.close()
        workers = psutil.Process(self.process.pid).children()
        for process in (self.process, *workers):
            process.kill()
        self.process.wait()
        psutil.wait_procs(workers, timeout=10)

    def authorise(self, token: str) -> None:
        self.headers["Authorization"] = self.client.headers["Authorization"] = f"Bearer {token}"

    def answers(self) -> bool:
        try:
            return self.client.get("/healthz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def worker(self) -> psutil.Process:
        [worker] = psutil.Process(self.process.pid).children()
        return worker

    def created(self, length: int, **fields: str) -> str:
        answer = self.client.post(
            "/api/v1/uploads", headers={"Upload-Length": str(length), "Upload-Metadata": metadata(**fields)}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["url"])

    def patch(self, address: str, data: Any, offset: int, **headers: str) -> httpx.Response:
        return self.client.patch(address, content=data, headers={"Content-Type": PIECE, "Upload-Offset": str(offset), **headers})

    def offset(self, address: str) -> int:
        return int(self.client.head(address).headers["Upload-Offset"])

    def half(self, address: str, announced: int, data: bytes, offset: int = 0) -> socket.socket:
        """A connection that has sent the head of a PATCH and a part of its body, and says nothing more."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        head = {
            **self.headers,
            "Host": "127.0.0.1",
            "Content-Type": PIECE,
            "Upload-Offset": str(offset),
            "Content-Length": announced,
        }
        lines = [f"PATCH {address} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        connection.sendall("\r\n".join(lines).encode() + data)
        return connection


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def running(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Impatient with snails, so that the tests are quick."""
    folder = tmp_path_factory.mktemp("web")
    with Server(folder, BODY_GRACE_SECONDS="1", BODY_MIN_KB_PER_SECOND="32", BODY_MAX_STREAMS_PER_PROCESS="3") as server:
        yield server


@pytest.fixture
def web(running: Server, submitter: User) -> Server:
    """The server with an empty spool and a token of this test's submitter."""
    running.authorise(token_issue(user=submitter, name="tests")[1])
    for path in running.spool.glob("*"):
        path.unlink()
    return running


def test_an_upload_goes_on_after_its_process_was_killed(web: Server) -> None:
    data = os.urandom(1024) * 40_000
    address = web.created(len(data), sha256=hashlib.sha256(data).hexdigest())
    half = web.half(address, len(data), data[: 24 * 2**20])
    wait_until(lambda: Upload.objects.get().offset > 0, what="the first note")
    worker = web.worker

    worker.send_signal(signal.SIGKILL)

    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, what="its end")
    wait_until(web.answers, what="another process")
    half.close()
    offset = web.offset(address)
    assert 0 < offset <= bytes_in(web.spool)
    # The dead process's lock went with it, and its word on sending holds nobody up.
    answer = web.patch(address, data[offset:], offset)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(len(data)))
    [path] = web.spool.iterdir()
    assert path.read_bytes() == data
    assert Upload.objects.get().state == UploadState.FINISHED


def test_snails_neither_stop_the_service_nor_lose_what_they_sent(web: Server) -> None:
    length = 2**20
    addresses = [web.created(length) for _ in range(8)]
    snails = [web.half(address, length, b"x" * 100_000) for address in addresses]
    started = time.monotonic()
    stop = threading.Event()

    def crawl() -> None:
        """A byte at a time, so that the connection is never silent."""
        while not stop.wait(0.1):
            for snail in snails:
                with contextlib.suppress(OSError):
                    snail.send(b"x")

    crawling = threading.Thread(target=crawl)
    crawling.start()
    try:
        while time.monotonic() - started < 2.0:
            assert web.client.get("/api/v1/uploads").status_code == 200
            time.sleep(0.05)
        statuses = sorted(int(snail.makefile("rb").readline().split()[1]) for snail in snails)
    finally:
        stop.set()
        crawling.join()
        for snail in snails:
            snail.close()

    assert statuses == [408] * 3 + [429] * 5
    kept = sorted(web.offset(address) for address in addresses)
    assert kept[:5] == [0] * 5
    assert all(65_536 <= offset < 110_000 for offset in kept[5:])
    assert bytes_in(web.spool) == sum(kept)
    assert not Upload.objects.filter(streaming_until__isnull=False).exists()
    for address in addresses:
        offset = web.offset(address)
        assert web.patch(address, b"x" * (length - offset), offset).status_code == 204


def test_a_client_that_vanishes_leaves_what_it_sent(web: Server) -> None:
    address = web.created(10**6)
    connection = web.half(address, 10**6, b"x" * 300_000)
    connection.shutdown(socket.SHUT_WR)

    assert connection.makefile("rb").readline().split()[1] == b"400"
    assert web.offset(address) == 300_000
    connection.close()
    # A body without a length is read too.
    answer = web.patch(address, iter([b"x" * 400_000, b"x" * 300_000]), 300_000)
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, "1000000")


def test_of_two_that_send_to_one_upload_one_is_sent_away(web: Server) -> None:
    address = web.created(10**6)
    first = web.half(address, 10**6, b"x" * 300_000)
    wait_until(lambda: Upload.objects.get().streaming_until is not None, what="the first to begin")

    second = web.patch(address, b"y" * 10**6, 0)

    assert (second.status_code, second.json()["code"]) == (423, "input:upload_busy")
    assert second.headers["Retry-After"]
    first.sendall(b"x" * 700_000)
    assert first.makefile("rb").readline().split()[1] == b"204"
    first.close()
    assert web.offset(address) == 10**6
    [path] = web.spool.iterdir()
    assert set(path.read_bytes()) == {ord("x")}


def test_ending_an_upload_stops_whoever_sends_to_it(web: Server) -> None:
    address = web.created(100 * 2**20, kind="archive")
    sending = web.half(address, 100 * 2**20, b"x" * 300_000)
    wait_until(lambda: Upload.objects.get().streaming_until is not None, what="the first to begin")

    assert web.client.delete(address).status_code == 204

    assert bytes_in(web.spool) == 0
    with contextlib.suppress(OSError):
        sending.sendall(b"x" * 20 * 2**20)
    assert sending.makefile("rb").readline().split()[1] == b"410"
    sending.close()
    assert bytes_in(web.spool) == 0


def test_a_form_that_ends_early_is_no_study(web: Server) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.dcm"\r\n\r\n' + mammogram_make() + b"\r\n--x--\r\n"
    head = {
        **web.headers,
        "Host": "127.0.0.1",
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": len(part) + 1,
    }
    lines = ["POST /api/v1/studies HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode() + part[:-200])
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").readline().split()[1] == b"400"
    assert not any((web.folder / "incoming").glob("*"))


def test_an_answer_before_the_body_costs_no_thread_for_long(web: Server) -> None:
    """Strangers who announce a body and send none: refused, and the next in line is served."""
    head = b"POST /api/v1/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
    strangers = [socket.create_connection(("127.0.0.1", web.port), timeout=30) for _ in range(16)]
    for stranger in strangers:
        stranger.sendall(head)

    assert web.client.get("/healthz").status_code == 200  # within the client's limit: the strangers never give up by themselves

    assert {stranger.makefile("rb").readline().split()[1] for stranger in strangers} == {b"401"}
    for stranger in strangers:
        stranger.close()


def test_memory_stays_flat_while_a_large_file_arrives(web: Server) -> None:
    piece = os.urandom(2**20)
    count = 96
    address = web.created(count * len(piece), kind="archive")
    worker = web.worker
    web.offset(address)
    before = worker.memory_info().rss

    answer = web.patch(address, (piece for _ in range(count)), 0)

    assert answer.status_code == 204
    assert worker.memory_info().rss - before < 24 * 2**20
