"""The journal: one process at a time, one submission a file, everything as it was after a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from mammoserve_client import SubmissionMismatch
from mammoserve_client.folder import FolderStudy
from mammoserve_client.journal import Journal

IDENTITY = {"server": "http://localhost", "folder": "/data"}


@pytest.fixture
def study(tmp_path: Path) -> FolderStudy:
    path = tmp_path / "1.dcm"
    path.write_bytes(b"DICM")
    return FolderStudy("study-1", "north", (path,))


def test_what_was_written_is_there_after_a_crash(tmp_path: Path, study: FolderStudy) -> None:
    with Journal(tmp_path / "j", identity=IDENTITY) as journal:
        journal.plan(groups=[[study]])
        (planned,) = journal.batches()
        journal.batch_made(number=0, batch_id="b1")
        journal.file_hashed(path=study.files[0], sha256="ab")
        journal.file_begun(path=study.files[0], upload_id="u1")
    with Journal(tmp_path / "j", identity=IDENTITY) as journal:
        assert journal.is_planned
        (again,) = journal.batches()
        assert (again.key, again.batch_id) == (planned.key, "b1")
        (file,) = journal.files(batch=0)
        assert (file.path, file.sha256, file.upload_id) == (study.files[0], "ab", "u1")
        assert journal.totals() == (1, 1, 4)


def test_another_process_and_another_submission_are_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", identity=IDENTITY), pytest.raises(SubmissionMismatch, match="another process"):
        Journal(tmp_path / "j", identity=IDENTITY)
    with pytest.raises(SubmissionMismatch, match="/data"):
        Journal(tmp_path / "j", identity={**IDENTITY, "folder": "/other"})
    with Journal(tmp_path / "j", identity=IDENTITY) as journal:
        journal.remove()
    assert not list(tmp_path.iterdir())
