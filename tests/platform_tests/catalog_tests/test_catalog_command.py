"""`manage.py catalog`: what a pipeline calls, with its exit statuses."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from catalog.management import verdicts
from catalog.models import CheckState, ModelPackage, PackageCheck
from common.object_store import ObjectStore
from tests.platform_tests.catalog_tests.test_archives import zipped
from tests.platform_tests.catalog_tests.test_uploads import FORM
from tests.platform_tests.jobs_tests.factories import package_folder, package_in

pytestmark = pytest.mark.django_db


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("catalog", *words, stdout=out)
    return out.getvalue()


def status_of(*words: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as error:
        said(*words)
    return error.value.returncode, str(error.value)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = package_folder(tmp_path / "made")
    path = tmp_path / "sent.zip"
    path.write_bytes(
        zipped({file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()})
    )
    return path


def test_upload_show_archive_compare_and_download(store: ObjectStore, administrator: User, archive: Path, tmp_path: Path) -> None:
    sent = json.loads(said("upload", str(archive), "--as", "administrator", "--json"))
    assert sent["state"] == "INSTALLED"
    other = package_in(tmp_path, version="2.0.0")
    assert "QUEUED" in said("list")
    assert json.loads(said("show", "known-answer@1.0.0"))["digest"] == sent["package"]
    assert "provenance: version: 1.0.0 → 2.0.0" in said("compare", "known-answer@1.0.0", other.pk)
    assert "is archived" in said("archive", other.pk, "--reason", "superseded", "--as", "administrator")
    assert ModelPackage.objects.get(pk=other.pk).archived_by == administrator
    assert "may be put in service" in said("unarchive", other.pk, "--reason", "needed again")
    said("download", other.pk, "-o", str(tmp_path / "kept.zip"))
    assert "known-answer-2.0.0/manifest.json" in zipfile.ZipFile(tmp_path / "kept.zip").namelist()
    assert status_of("download", other.pk, "-o", str(tmp_path / "kept.zip"))[0] == 1


def test_a_refused_file_says_its_code(store: ObjectStore, administrator: User, tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    status, words = status_of("upload", str(tmp_path / "bad.zip"), "--as", "administrator")
    assert (status, "input:not_an_archive" in words) == (1, True)
    assert status_of("upload", str(tmp_path / "absent.zip"), "--as", "administrator")[0] == 1
    (tmp_path / "form.json").write_text(json.dumps(FORM | {"labels": ["one"]}))
    status, words = status_of("upload", str(tmp_path / "bad.zip"), "--form", str(tmp_path / "form.json"), "--as", "administrator")
    assert (status, "labels" in words) == (1, True)


def test_waiting_ends_with_the_verdict(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = package_in(tmp_path)
    assert status_of("validate", package.pk, "--wait", "0")[0] == verdicts.NOT_OVER
    moved = iter([CheckState.RUNNING, CheckState.FAILED, CheckState.PASSED])

    def passes(seconds: float) -> None:
        """Time goes by and a worker reports."""
        PackageCheck.objects.update(state=next(moved), failure_code="model:golden_mismatch", failure_detail="by 0.5")

    monkeypatch.setattr(verdicts.time, "sleep", passes)
    status, words = status_of("validate", package.pk, "--wait", "60")
    assert (status, words) == (verdicts.FAILED, "model:golden_mismatch: by 0.5")
    said("validate", package.pk, "--wait", "60")
    assert json.loads(said("report", package.pk, "--json"))["state"] == "PASSED"


def test_a_package_without_a_validation_has_no_report(store: ObjectStore, tmp_path: Path) -> None:
    status, words = status_of("report", package_in(tmp_path).pk)
    assert (status, "model:not_validated" in words) == (1, True)
