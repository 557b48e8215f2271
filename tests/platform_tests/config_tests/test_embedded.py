from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu import Connection

from config import embedded
from config.embedded import (
    SOCKET_PATH_LIMIT,
    EmbeddedServiceError,
    child_environment,
    port_check_free,
    redis_broker_url,
    redis_command,
    redis_executable,
    socket_path,
)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files with a path as short as such folders have: pytest's own may be too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="ms-", dir="/tmp") as folder:
        yield Path(folder)


def test_a_port_that_somebody_listens_on_is_refused_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedServiceError, match=f"Port {port} is taken .* make run PORT={port + 1}"):
            port_check_free(port=port)
    port_check_free(port=port)  # free again


def test_a_short_data_dir_holds_the_socket_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    short = Path("/tmp") / f"ms-{tmp_path.name[-20:]}"
    try:
        assert socket_path(data_dir=short) == short / "run" / "redis.sock"
    finally:
        (short / "run").rmdir()
        short.rmdir()


@pytest.mark.parametrize("name", ["x" * 120, "with space", "naïve"])
def test_a_long_or_unusual_data_dir_gets_a_short_private_socket_folder(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    path = socket_path(data_dir=temporary / name)
    assert path.parent.parent == temporary
    assert len(str(path)) <= SOCKET_PATH_LIMIT
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert socket_path(data_dir=temporary / name) == path  # the next start finds it again
    assert socket_path(data_dir=temporary / f"{name} other") != path


def test_a_socket_folder_that_others_can_enter_is_refused(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    path = socket_path(data_dir=temporary / "with space")
    path.parent.chmod(0o755)
    with pytest.raises(EmbeddedServiceError, match="not private"):
        socket_path(data_dir=temporary / "with space")


def test_the_private_redis_listens_on_its_socket_alone_and_refuses_rather_than_evicts(tmp_path: Path) -> None:
    listening = tmp_path / "redis.sock"
    command = redis_command(executable=redis_executable(), socket_file=listening, data_dir=tmp_path)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not listening.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        client = redis.Redis(unix_socket_path=str(listening), decode_responses=True)
        assert client.config_get("port")["port"] == "0"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("save")["save"] == ""
        assert listening.stat().st_mode & 0o077 == 0
        with Connection(redis_broker_url(socket_file=listening)) as connection:
            connection.default_channel.client.set("written", "by kombu")
        assert client.get("written") == "by kombu"
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_without_any_redis_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(embedded.shutil, "which", lambda name: None)
    with pytest.raises(EmbeddedServiceError, match="apt-get install redis-server"):
        redis_executable()


def test_children_get_what_was_given_and_the_default_for_the_rest(tmp_path: Path) -> None:
    given = {"OBJECT_STORE_URL": "s3://bucket/prefix", "PYTHONPATH": "/elsewhere", "HOME": "/home/somebody"}
    made = child_environment(data_dir=tmp_path, broker_url="redis://host/0", given=given)
    assert made["OBJECT_STORE_URL"] == "s3://bucket/prefix"
    assert made["HOME"] == "/home/somebody"
    assert made["BROKER_URL"] == "redis://host/0"
    assert made["DATA_DIR"] == str(tmp_path)
    assert made["OMP_NUM_THREADS"] == "1"
    assert "/elsewhere" not in made["PYTHONPATH"]
