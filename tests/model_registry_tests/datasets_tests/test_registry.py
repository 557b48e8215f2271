"""How a folder is recognised, what is refused, and what no table can reach."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from model_registry.datasets import tables
from model_registry.datasets.errors import DatasetError
from model_registry.datasets.registry import dataset_read
from model_registry.datasets.tables import table_read
from model_registry.datasets.tree import Tree, path_parts
from tests.model_registry_tests.datasets_tests.trees import picture, put, xlsx

MIAS = Path(__file__).resolve().parents[4] / "shared" / "data" / "mias"


def refusal(path: Path, kind: str = "auto") -> str:
    with pytest.raises(DatasetError) as refused:
        dataset_read(path, kind=kind)
    assert refused.value.detail
    return refused.value.code


def test_a_folder_that_is_not_there_a_file_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone") == "dataset:folder_missing"
    assert refusal(put(tmp_path / "file.txt", "x")) == "dataset:folder_missing"
    assert refusal(tmp_path) == "dataset:not_recognised"
    assert refusal(tmp_path, kind="imagenet") == "dataset:kind_unknown"
    assert refusal(tmp_path, kind="inbreast") == "dataset:file_missing"


def test_two_collections_in_one_folder_are_not_guessed_between(tmp_path: Path) -> None:
    for label in ("Density1Benign", "Density1Malignant"):
        picture(tmp_path / "a" / label / "20586908.png")
    put(tmp_path / "b" / "Info.txt", "mdb001 G NORM\n")
    picture(tmp_path / "b" / "mdb001.pgm")
    assert refusal(tmp_path) == "dataset:ambiguous"
    assert dataset_read(tmp_path, kind="mini-mias").records[0].image_id == "mdb001"


def test_links_are_not_followed_and_are_named(tmp_path: Path) -> None:
    outside = picture(tmp_path / "outside" / "x.png")
    root = tmp_path / "root"
    for label in ("cyst", "tumour"):
        picture(root / label / "a.png")
    os.symlink(outside, root / "cyst" / "b.png")
    os.symlink(outside.parent, root / "tumour" / "more")
    dataset = dataset_read(root)
    assert [record.image_id for record in dataset.records] == ["cyst/a.png", "tumour/a.png"]
    assert {(problem.code, problem.path) for problem in dataset.problems} == {
        ("dataset:link_refused", "cyst/b.png"),
        ("dataset:link_refused", "tumour/more"),
    }


@pytest.mark.parametrize(
    "text", ["../a.png", "a/../../b.png", "/etc/passwd", "C:\\a.png", "\\\\host\\a.png", "", "a\x00.png", "a\n/b"]
)
def test_paths_that_lead_elsewhere_have_no_parts(text: str) -> None:
    assert path_parts(text) is None


def test_a_table_may_have_more_or_fewer_folders_in_front(tmp_path: Path) -> None:
    picture(tmp_path / "wrapper" / "Benign" / "0029" / "a.png")
    picture(tmp_path / "wrapper" / "Cancer" / "0029" / "a.png")
    tree = Tree(tmp_path)
    assert tree.find("Benign\\0029\\A.png") == "wrapper/Benign/0029/a.png"
    assert tree.find("disk/wrapper/Cancer/0029/a.png") == "wrapper/Cancer/0029/a.png"
    assert tree.find("Normal/0031/a.png") is None


def test_tables_forgive_spelling_and_refuse_what_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table_read(
        xlsx(tmp_path / "a.xlsx", [["File Name", "Mass ", "n"], [22678622.0, "X", 2.5], ["", "", ""]]), columns=("filename",)
    )
    assert [(row["file_name"], row["mass"], row["N"], row["absent"]) for row in rows] == [("22678622", "X", "2.5", "")]
    latin = put(tmp_path / "b.csv", "a;b\n1;é\n".encode("latin-1"))
    assert table_read(latin, columns=("a", "b"))[0]["b"] == "é"
    for broken in (
        put(tmp_path / "c.xlsx", "no workbook"),
        put(tmp_path / "d.csv", ""),
        put(tmp_path / "e.xls", b"\xd0\xcf\x11\xe0"),
    ):
        with pytest.raises(DatasetError) as refused:
            table_read(broken, columns=())
        assert refused.value.code == "dataset:table_unreadable"
    monkeypatch.setattr(tables, "MAX_UNPACKED_BYTES", 100_000)
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 200_000)
    with pytest.raises(DatasetError, match="unfolds"):
        table_read(tmp_path / "bomb.xlsx", columns=())


@pytest.mark.skipif(not MIAS.is_dir(), reason="mini-MIAS is not on this machine")
def test_the_real_collection_has_its_published_counts() -> None:
    dataset = dataset_read(MIAS)
    labels = [record.label for record in dataset.records]
    assert {name: labels.count(name) for name in dataset.classes} == {"normal": 207, "benign": 63, "malignant": 52}
    assert len({record.patient_id for record in dataset.records}) == 161
    assert (dataset.kind, dataset.grouping, dataset.problems) == ("mias", "patient", ())
    assert sum(len(record.lesions) for record in dataset.records) == 117
    assert "CC BY" in dataset.licence
