"""The running API answers as its OpenAPI document says; `make schema-check` tries more, for longer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end_tests.schema_check.examples import EXAMPLES, differences, examples_collect
from tests.end_to_end_tests.schema_check.ground import Ground, ground_prepare
from tests.end_to_end_tests.schema_check.run import SHORT, api_check
from tests.end_to_end_tests.stack import Stack

pytestmark = [pytest.mark.processes, pytest.mark.timeout(280)]


@pytest.fixture(scope="module")
def ground(stack: Stack) -> Ground:
    """A site of its own in the shared product."""
    return ground_prepare(stack)


def test_the_documents_examples_are_what_the_product_answers(stack: Stack, ground: Ground) -> None:
    kept, answered = json.loads(EXAMPLES.read_text()), examples_collect(stack, ground)
    assert list(differences(kept, answered)) == [], "run `make examples`"


def test_no_answer_is_a_server_error_or_undocumented(stack: Stack, ground: Ground, tmp_path: Path) -> None:
    outcome = api_check(url=stack.url, ground=ground, caller="administrator", effort=SHORT, folder=tmp_path)
    assert outcome.passed, outcome.report[-6000:]


def test_an_answer_that_is_not_as_described_is_noticed() -> None:
    kept = {"id": "a", "position": None, "items": [{"score": 0.5}], "metadata": {"ward": "x"}}
    assert list(differences(kept, {"id": "b", "position": 3, "items": [], "metadata": {"shift": "y"}})) == []
    assert list(differences(kept, {"id": 1, "items": [{"score": "high"}], "metadata": {}, "new": 1})) == [
        ".new is new",
        ".position is gone",
        ".id is number, not str",
        ".items[].score is str, not number",
    ]
