"""Where trusted keys are configured, only packages they signed are installed; the signature goes along to the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.models import ModelPackage
from catalog.packages import package_install
from common.object_store import ObjectStore
from inference_worker.contract.failures import CodedError
from model_registry.packaging.signature import key_pair_write, package_sign, private_key_read, signature_require
from tests.platform_tests.jobs_tests.factories import package_folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys(settings, tmp_path: Path) -> Path:
    folder = tmp_path / "trusted"
    folder.mkdir()
    key_pair_write(private=tmp_path / "lab.key", public=folder / "lab.pem")
    settings.PACKAGE_TRUSTED_KEYS = str(folder)
    return folder


def code_of_install(folder: Path) -> str:
    with pytest.raises(CodedError) as refused:
        package_install(folder=folder)
    assert not ModelPackage.objects.exists()
    return refused.value.code


def test_a_signed_package_is_installed_with_its_signature(store: ObjectStore, keys: Path, tmp_path: Path) -> None:
    folder = package_folder(tmp_path)
    package_sign(folder, private_key_read(tmp_path / "lab.key"))
    row = package_install(folder=folder)
    assert signature_require(store.path(row.object_key), keys_place=keys) == "lab"


def test_unsigned_altered_and_foreign_packages_are_refused(store: ObjectStore, keys: Path, tmp_path: Path) -> None:
    folder = package_folder(tmp_path)
    assert code_of_install(folder) == "model:signature_missing"
    (folder / "signature.json").write_text("{}")
    assert code_of_install(folder) == "model:signature_invalid"
    key_pair_write(private=tmp_path / "stranger.key", public=tmp_path / "stranger.pem")
    package_sign(folder, private_key_read(tmp_path / "stranger.key"))
    assert code_of_install(folder) == "model:signer_unknown"
    assert store.list_keys("packages") == []


def test_keys_that_cannot_be_used_let_nothing_in(store: ObjectStore, keys: Path, tmp_path: Path) -> None:
    folder = package_folder(tmp_path)
    package_sign(folder, private_key_read(tmp_path / "lab.key"))
    (keys / "lab.pem").write_text("no key")
    assert code_of_install(folder) == "model:signer_unknown"


def test_without_keys_a_signature_added_later_reaches_the_workers(store: ObjectStore, settings, tmp_path: Path) -> None:
    settings.PACKAGE_TRUSTED_KEYS = ""
    folder = package_folder(tmp_path)
    row = package_install(folder=folder)
    key_pair_write(private=tmp_path / "lab.key", public=tmp_path / "lab.pem")
    package_sign(folder, private_key_read(tmp_path / "lab.key"))
    assert package_install(folder=folder) == row
    assert signature_require(store.path(row.object_key), keys_place=tmp_path / "lab.pem") == "lab"


def test_a_model_above_the_limit_is_refused(store: ObjectStore, settings, tmp_path: Path) -> None:
    settings.PACKAGE_MODEL_MAX_BYTES = 3
    assert code_of_install(package_folder(tmp_path)) == "model:too_large"
