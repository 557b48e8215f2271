"""The written list of failure codes is the catalogue's."""

from __future__ import annotations

from pathlib import Path

from config.management.commands.failure_guide import failure_guide
from inference_worker.contract.failures import CATALOGUE

PAGE = Path(__file__).resolve().parents[3] / "platform" / "docs" / "failures.md"


def test_the_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text() == failure_guide(), "run `make fix`"


def test_every_code_stands_on_the_page_once() -> None:
    page = failure_guide()
    assert [code for code in CATALOGUE if page.count(f"| `{code}` |") != 1] == []
