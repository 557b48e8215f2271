"""The object store: whole objects or none, plain keys only."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError  # type: ignore[import-untyped]

from common.object_store import ObjectStore, key_is_valid
from inference_worker.contract.failures import CodedError


@pytest.fixture(params=["local", "memory"])
def any_store(request, tmp_path: Path, store: ObjectStore) -> ObjectStore:
    """The local folder, and a remote-like filesystem of fsspec."""
    return store if request.param == "local" else ObjectStore(f"memory://{tmp_path.name}")


def test_what_is_put_is_got(any_store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"from a file")

    any_store.put_bytes("a/b/one", b"bytes")
    any_store.put_file("a/b/two", source)

    assert any_store.get_bytes("a/b/one") == b"bytes"
    with any_store.open("a/b/two") as file:
        assert file.read() == b"from a file"
    assert any_store.size("a/b/two") == 11
    assert any_store.exists("a/b/one")
    assert any_store.list_keys("a") == ["a/b/one", "a/b/two"]
    assert source.exists()


def test_deleting_is_quiet_about_what_is_not_there(any_store: ObjectStore) -> None:
    any_store.put_bytes("a/one", b"x")

    any_store.delete("a/one")
    any_store.delete("a/one")

    assert not any_store.exists("a/one")
    assert any_store.list_keys("nothing") == []


def test_a_missing_object_is_a_coded_error(any_store: ObjectStore) -> None:
    for ask in (any_store.open, any_store.get_bytes, any_store.size):
        with pytest.raises(CodedError) as caught:
            ask("a/none")
        assert caught.value.code == "system:object_missing"


def test_a_moved_file_is_gone_from_where_it_was(any_store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")

    any_store.put_file("a/one", source, move=True)

    assert any_store.get_bytes("a/one") == b"x"
    assert not source.exists()


def test_an_interrupted_write_leaves_the_old_object_and_no_rest(store: ObjectStore, tmp_path: Path, monkeypatch) -> None:
    store.put_bytes("a/one", b"old")
    monkeypatch.setattr("common.object_store.os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "full")))

    with pytest.raises(CodedError) as caught:
        store.put_bytes("a/one", b"new")

    assert caught.value.code == "system:storage_full"
    assert store.get_bytes("a/one") == b"old"
    assert [path.name for path in Path(store.path("a/one")).parent.iterdir()] == ["one"]


@pytest.mark.parametrize("key", ["", "/a", "a/", "../a", "a/../b", "a/./b", "a//b", "a b", "a\\b", "a\0", "ä", "x" * 501])
def test_keys_that_are_not_plain_are_refused(store: ObjectStore, key: str) -> None:
    assert not key_is_valid(key)
    with pytest.raises(ValueError, match="plain"):
        store.put_bytes(key, b"x")


def test_the_check_writes_removes_and_counts_free_space(store: ObjectStore, settings) -> None:
    assert "writable" in store.check()
    assert store.list_keys("probes") == []
    settings.OBJECT_STORE_MIN_FREE_BYTES = 2**62
    with pytest.raises(CodedError) as caught:
        store.check()
    assert caught.value.code == "system:storage_full"


def test_an_s3_endpoint_out_of_reach_is_a_coded_failure(any_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client raises an exception that is no OSError; waiting for the real one takes ten seconds of its own retries."""

    def unreachable(*args: object, **kwargs: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://minio:9000/secret-bucket")

    for name in ("open", "cat_file"):
        monkeypatch.setattr(any_store.filesystem, name, unreachable)

    for read in (any_store.open, any_store.get_bytes):
        with pytest.raises(CodedError) as caught:
            read("a/b")
        assert (caught.value.code, caught.value.detail) == ("system:storage_unavailable", "EndpointConnectionError")


def test_a_store_whose_folder_cannot_be_made_is_a_coded_failure(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"a file")

    with pytest.raises(CodedError) as caught:
        ObjectStore(f"file://{tmp_path / 'taken' / 'objects'}")

    assert caught.value.code == "system:storage_unavailable"
