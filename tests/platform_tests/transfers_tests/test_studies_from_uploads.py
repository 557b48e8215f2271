"""POST /api/v1/studies with uploads in place of files: each upload is used once."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from jobs.models import Job
from studies.models import Study
from tests.platform_tests.jobs_tests.factories import deployment_make
from tests.platform_tests.studies_tests.conftest import mammogram_make, png_make
from tests.platform_tests.transfers_tests.conftest import TusClient, bytes_in
from transfers.models import Upload, UploadState


@pytest.fixture
def deployment(db: None, store: Any, tmp_path: Path) -> Any:
    return deployment_make(tmp_path)


def submit(tus: TusClient, **fields: Any) -> Any:
    return tus.client.post("/api/v1/studies", fields, format="json")


def test_uploads_become_a_study_and_their_bytes_go(
    tus: TusClient, deployment: Any, spool: Path, django_capture_on_commit_callbacks: Any
) -> None:
    right = tus.whole(mammogram_make(SOPInstanceUID="1.2.1"), filename="a.dcm")
    left = tus.whole(png_make(), filename="Roe L_CC.png")

    with django_capture_on_commit_callbacks(execute=True):
        answer = submit(tus, uploads=[right, left], external_id="case-7", priority="stat")

    assert answer.status_code == 202, answer.content
    assert answer["Location"]
    study = Study.objects.get()
    assert (study.external_id, Job.objects.get().priority) == ("case-7", "stat")
    assert [(image.image_laterality, image.view_position) for image in study.images.all()] == [("R", "MLO"), ("L", "CC")]
    assert bytes_in(spool) == 0
    again = submit(tus, uploads=[right])
    assert (again.status_code, again.json()["code"]) == (409, "input:upload_consumed")
    assert tus.offset(f"/api/v1/uploads/{right}") > 0  # it did arrive


def test_a_refused_study_leaves_its_uploads(tus: TusClient, deployment: Any, spool: Path) -> None:
    upload = tus.whole(b"no image at all")

    answer = submit(tus, uploads=[upload])

    assert (answer.status_code, answer.json()["code"]) == (422, "input:not_an_image")
    assert answer.json()["errors"][0]["index"] == 0
    assert Upload.objects.get().state == UploadState.FINISHED
    assert bytes_in(spool) == len(b"no image at all")


def test_only_finished_files_of_ones_own_are_taken(tus: TusClient, other_tus: TusClient, deployment: Any) -> None:
    unfinished = tus.created(10).rpartition("/")[2]
    ended = tus.whole(b"abc")
    tus.send("DELETE", f"/api/v1/uploads/{ended}")
    twice = tus.whole(mammogram_make())
    cases = [
        ([str(uuid.uuid4())], 404, "input:unknown_upload"),
        ([other_tus.whole(mammogram_make())], 404, "input:unknown_upload"),
        ([unfinished], 409, "input:upload_incomplete"),
        ([ended], 410, "input:upload_gone"),
        ([tus.whole(b"PK", kind="archive")], 422, "input:upload_wrong_kind"),
        ([twice, twice], 409, "input:upload_consumed"),
        ([], 400, "input:invalid_field"),
        (["first"], 400, "input:invalid_field"),
        ("all", 400, "input:invalid_field"),
    ]
    for uploads, status, code in cases:
        answer = submit(tus, uploads=uploads)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    for body in ([], 7, {"uploads": None}, {}):
        assert tus.client.post("/api/v1/studies", body, format="json").status_code == 400
    assert not Study.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_submissions_at_once_one_gets_the_upload(tus: TusClient, deployment: Any) -> None:
    upload = tus.whole(mammogram_make())
    statuses = []
    together = threading.Barrier(2)

    def run() -> None:
        together.wait(timeout=10)
        statuses.append(submit(tus, uploads=[upload]).status_code)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert sorted(statuses) == [202, 409] or sorted(statuses) == [202, 410]
    assert (Study.objects.count(), Job.objects.count()) == (1, 1)
