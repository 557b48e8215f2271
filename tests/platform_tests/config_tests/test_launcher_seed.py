from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from accounts.models import ApiToken, User
from accounts.services import token_revoke
from config import launcher_seed
from config.embedded import EmbeddedServiceError
from config.launcher_seed import demo_access_prepare, shipped_package_folder


def write_manifest(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"version": version}))
    return folder


def test_the_newest_shipped_package_is_chosen_by_version_not_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHIPPED_PACKAGE_DIR", raising=False)
    monkeypatch.setattr(launcher_seed, "REPOSITORY_ROOT", tmp_path)
    packages = tmp_path / "model_registry" / "packages"
    write_manifest(packages / "z-1.9.0", "1.9.0")
    newest = write_manifest(packages / "a-1.10.0", "1.10.0")
    write_manifest(packages / "b-1.10.0-rc1", "1.10.0-rc1")
    assert shipped_package_folder() == newest


def test_a_given_package_folder_must_hold_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPPED_PACKAGE_DIR", str(tmp_path))
    with pytest.raises(EmbeddedServiceError, match=r"no manifest\.json"):
        shipped_package_folder()
    monkeypatch.setenv("SHIPPED_PACKAGE_DIR", str(write_manifest(tmp_path / "given", "1.0.0")))
    assert shipped_package_folder() == tmp_path / "given"


@pytest.mark.django_db
def test_the_demo_access_is_made_up_once_private_and_found_again(tmp_path: Path) -> None:
    access_file = tmp_path / "demo-access.json"
    first = demo_access_prepare(access_file=access_file)
    assert stat.S_IMODE(access_file.stat().st_mode) == 0o600
    assert len(first.password) >= 12
    assert User.objects.get(username="demo").check_password(first.password)
    assert demo_access_prepare(access_file=access_file) == first
    assert ApiToken.objects.count() == 1


@pytest.mark.django_db
def test_two_installations_have_different_passwords(tmp_path: Path) -> None:
    first = demo_access_prepare(access_file=tmp_path / "one.json")
    second = demo_access_prepare(access_file=tmp_path / "two.json")
    assert first.password != second.password
    assert User.objects.get(username="demo").check_password(second.password)


@pytest.mark.django_db
def test_a_revoked_token_or_a_broken_file_brings_new_access(tmp_path: Path) -> None:
    access_file = tmp_path / "demo-access.json"
    first = demo_access_prepare(access_file=access_file)
    token_revoke(token=ApiToken.objects.get())
    second = demo_access_prepare(access_file=access_file)
    assert second.token != first.token
    access_file.write_text('{"username": "demo"')
    assert demo_access_prepare(access_file=access_file).password != second.password
