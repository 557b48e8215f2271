"""Laterality and view from the name of a file and from a header."""

from __future__ import annotations

import struct

import pytest
from pydicom.dataset import Dataset

from studies.naming import dicom_laterality, dicom_view_position, name_tokens


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("RCC.png", ("R", "CC")),
        ("l_mlo.jpg", ("L", "MLO")),
        ("case12-R-MLO-2.png", ("R", "MLO")),
        ("left_mlo.png", ("L", "MLO")),
        ("scan_RIGHT_CC.png", ("R", "CC")),
        ("LXCCL.png", ("L", "XCCL")),
        ("CC.png", ("", "CC")),
        ("left.png", ("L", "")),
        ("mdb001.png", ("", "")),
        ("account.png", ("", "")),
        ("bright.png", ("", "")),
        ("RCC_LCC.png", ("", "CC")),
        ("RCC_RMLO.png", ("R", "")),
    ],
)
def test_only_whole_tokens_count_and_contradictions_are_unknown(name: str, tokens: tuple[str, str]) -> None:
    assert name_tokens(name) == tokens


def test_a_header_value_that_cannot_be_unpacked_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Dataset, *_: object) -> object:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr(Dataset, "get", broken)
    assert dicom_laterality(Dataset()) == ""
    assert dicom_view_position(Dataset()) == ""
