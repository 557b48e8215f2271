"""Rows for what intake has stored."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from django.db import transaction

from studies.incoming import incoming_sweep
from studies.intake import IntakeRefusal
from studies.models import Image, StoredObject, Study
from studies.selectors import studies_visible_to, study_images_prefetch
from studies.services import external_id_validate, study_create


def test_a_study_has_its_images_in_order_and_pseudonyms_only(receive, site, submitter, mammogram, png_bytes) -> None:
    received = receive(mammogram(), png_bytes())

    with transaction.atomic():
        study = study_create(received=received, site=site, external_id="ACC-1", submitted_by=submitter)

    images = list(study.images.select_related("stored_object"))
    assert [image.position for image in images] == [0, 1]
    assert [image.stored_object.media_type for image in images] == ["application/dicom", "image/png"]
    assert (images[0].image_laterality, images[0].rows, images[0].columns) == ("R", 96, 80)
    assert (study.external_id, study.submitted_by) == ("ACC-1", submitter)
    assert study.study_instance_uid.startswith("2.25.")
    assert "MRN" not in study.patient_pseudonym


def test_the_same_file_in_two_studies_is_one_stored_object(receive, site, png_bytes) -> None:
    first = study_create(received=receive(png_bytes()), site=site)
    second = study_create(received=receive(png_bytes()), site=site)

    assert StoredObject.objects.count() == 1
    assert Image.objects.get(study=first).stored_object == Image.objects.get(study=second).stored_object


def test_the_same_file_at_two_sites_is_two_stored_objects(receive, site, other_site, png_bytes) -> None:
    study_create(received=receive(png_bytes()), site=site)
    study_create(received=receive(png_bytes(), at=other_site), site=other_site)

    assert StoredObject.objects.count() == 2


def test_a_failed_transaction_leaves_no_rows_and_the_next_try_takes_the_object_up(receive, site, store, png_bytes) -> None:
    received = receive(png_bytes())
    with transaction.atomic():
        study_create(received=received, site=site)
        transaction.set_rollback(True)  # as when the caller fails

    assert Study.objects.count() == StoredObject.objects.count() == 0
    study_create(received=receive(png_bytes()), site=site)
    assert store.list_keys("sites") == [StoredObject.objects.get().object_key]


@pytest.mark.parametrize("external_id", ["", "ACC-2024/001", "a:b#1", "x" * 128])
def test_plain_references_are_taken(external_id: str) -> None:
    assert external_id_validate(f" {external_id} ") == external_id


@pytest.mark.parametrize("external_id", ["Roe^Jane", "Jane Roe", "x" * 129, "-x", "é", "a\nb", "<b>"])
def test_references_that_could_be_names_or_markup_are_refused(external_id: str) -> None:
    with pytest.raises(IntakeRefusal) as caught:
        external_id_validate(external_id)

    assert caught.value.code == "input:invalid_field"
    assert caught.value.errors[0]["field"] == "external_id"


def test_a_user_sees_the_studies_of_the_own_site_only(receive, site, submitter, other_submitter, png_bytes) -> None:
    study = study_create(received=receive(png_bytes()), site=site)

    assert list(studies_visible_to(user=submitter)) == [study]
    assert list(studies_visible_to(user=other_submitter)) == []
    assert getattr(studies_visible_to(user=submitter).get(), "image_count") == 1  # noqa: B009  an annotation, not a field


def test_images_come_with_one_more_query(receive, site, submitter, png_bytes, django_assert_num_queries) -> None:
    for mode in ("L", "RGB"):
        study_create(received=receive(png_bytes(mode)), site=site)

    with django_assert_num_queries(2):
        studies = list(studies_visible_to(user=submitter).prefetch_related(study_images_prefetch()))
        assert [image.stored_object.media_type for study in studies for image in study.images.all()] == ["image/png"] * 2


def test_files_of_a_killed_process_are_swept_and_fresh_ones_stay(settings, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    for name, age in (("old.upload", 7200), ("fresh.upload", 10)):
        path = tmp_path / name
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)

    assert incoming_sweep() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["fresh.upload"]
