from __future__ import annotations

import errno
from pathlib import Path

import pytest

from inference_worker.contract.failures import CodedError
from inference_worker.object_store import ObjectMissing, ObjectStore, key_is_safe


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(url=f"file://{tmp_path}/store")


def test_what_is_written_is_read_and_nothing_else_is_left(store: ObjectStore, tmp_path: Path) -> None:
    store.write(key="a/b/c.png", data=b"one")
    store.write(key="a/b/c.png", data=b"two")
    assert store.read(key="a/b/c.png") == b"two"
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == ["c.png"]


def test_any_fsspec_store_will_do() -> None:
    store = ObjectStore(url="memory://bucket/prefix")
    store.write(key="a/b", data=b"x")
    assert store.read(key="a/b") == b"x"
    with pytest.raises(ObjectMissing):
        store.read(key="a/none")


@pytest.mark.parametrize("key", ["a/none", "a"])
def test_a_key_without_an_object_is_missing(store: ObjectStore, key: str) -> None:
    store.write(key="a/b", data=b"x")
    with pytest.raises(ObjectMissing) as failure:
        store.read(key=key)
    assert failure.value.code == "system:object_missing"


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/./b", "a\\b", "a b", "x\n", "é", "a/" * 600 + "a"]
)
def test_a_key_that_would_leave_the_store_is_refused(store: ObjectStore, key: str) -> None:
    assert not key_is_safe(key)
    with pytest.raises(CodedError) as failure:
        store.read(key=key)
    assert failure.value.code == "system:contract_violation"


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "system:storage_full"), (errno.EIO, "system:storage_unavailable")])
def test_a_failing_disk_is_coded_by_who_must_act(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def fail(path: str, data: bytes) -> None:
        raise OSError(number, "disk")

    monkeypatch.setattr(store._filesystem, "pipe_file", fail)
    with pytest.raises(CodedError) as failure:
        store.write(key="a/b", data=b"x")
    assert failure.value.code == code
