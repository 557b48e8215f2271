"""Laterality and view from the name of a file."""

from __future__ import annotations

import pytest

from studies.naming import name_tokens


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
