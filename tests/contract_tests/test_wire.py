"""The codec between platform and worker: round trips, tolerance for what is newer in small, refusal of the rest."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_worker.contract import CONTRACT_VERSION
from inference_worker.contract.events import (
    AttemptReference,
    EventKind,
    JobEvent,
    JobStage,
    WorkerHeartbeat,
    event_from_wire,
)
from inference_worker.contract.failures import CATALOGUE, CodedError, Responsibility, failure_for
from inference_worker.contract.orders import ImageReference, InferenceOrder
from inference_worker.contract.queues import ORDER_HARD_LIMIT_SECONDS, VISIBILITY_TIMEOUT_SECONDS, celery_settings
from inference_worker.contract.results import AggregateResult, Assessment, HeatmapResult, ImageResult, StudyResult
from inference_worker.contract.wire import ContractViolation

ROOT = Path(__file__).resolve().parents[2]

text = st.text(max_size=30)
maybe_text = st.none() | text
whole = st.integers(-(2**53), 2**53)
number = st.floats(allow_nan=False, allow_infinity=False)
scores = st.dictionaries(text, number, max_size=3)
tuples = {"max_size": 3}


def many(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


images = st.builds(ImageReference, text, text, text, text, maybe_text, maybe_text)
orders = st.builds(InferenceOrder, text, whole, text, many(images), text, text, text, text, whole)
events = st.builds(
    JobEvent, text, st.sampled_from(sorted(set(EventKind) - {EventKind.HEARTBEAT})), text, whole, text, text,
    st.none() | st.sampled_from(JobStage), maybe_text, st.none() | scores, maybe_text, maybe_text,
)  # fmt: skip
heartbeats = st.builds(
    WorkerHeartbeat, text, text, text, many(st.builds(AttemptReference, text, whole)), whole, maybe_text, maybe_text,
    many(text), st.none() | whole, maybe_text,
)  # fmt: skip
assessments = st.sampled_from(Assessment)
heatmaps = st.builds(HeatmapResult, text, number, number, text, text, maybe_text)
image_results = st.builds(
    ImageResult, text, assessments, many(text), text, whole, whole, maybe_text, maybe_text, maybe_text, st.none() | scores,
    st.none() | scores, st.none() | scores, st.none() | number, many(heatmaps), maybe_text,
)  # fmt: skip
aggregates = st.builds(
    AggregateResult, assessments, maybe_text, maybe_text, st.none() | scores, st.none() | scores, st.none() | number
)
results = st.builds(
    StudyResult, aggregates, many(aggregates), many(image_results), many(text), many(text), text, text, text, text, text, text,
    scores,
)  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | whole | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@given(orders | results)
def test_orders_and_results_survive_json(message: Any) -> None:
    assert type(message).from_wire(json.loads(json.dumps(message.to_wire()))) == message


@given(events | heartbeats)
def test_events_survive_json_and_are_told_apart_by_their_kind(message: Any) -> None:
    read = event_from_wire(json.loads(json.dumps(message.to_wire())))
    assert read == message
    assert type(read) is type(message)


@given(orders, st.data())
def test_an_order_with_any_field_replaced_is_read_or_refused_and_nothing_else(order: InferenceOrder, data: st.DataObject) -> None:
    wire = order.to_wire()
    field = data.draw(st.sampled_from(sorted(wire)))
    wire[field] = data.draw(json_values)
    try:
        read = InferenceOrder.from_wire(wire)
    except ContractViolation:
        return
    assert isinstance(read.job_id, str)
    assert isinstance(read.attempt, int)
    assert all(isinstance(image, ImageReference) for image in read.images)


@given(json_values)
def test_anything_else_is_refused(data: Any) -> None:
    with pytest.raises(ContractViolation):
        InferenceOrder.from_wire(data)


def an_order() -> dict[str, Any]:
    image = ImageReference("i", "images/i", "0" * 64, "image/png")
    return InferenceOrder("job", 1, "study", (image,), "sha256:0", "packages/0", "artifacts/job/1", "stat", 60).to_wire()


@pytest.mark.parametrize("field", [name for name in an_order() if name != "contract_version"])
def test_a_missing_field_is_named(field: str) -> None:
    wire = an_order()
    del wire[field]
    with pytest.raises(ContractViolation, match=f"InferenceOrder.{field} is missing"):
        InferenceOrder.from_wire(wire)


def test_a_missing_field_deep_inside_is_named() -> None:
    wire = an_order()
    del wire["images"][0]["sha256"]
    with pytest.raises(ContractViolation, match=r"ImageReference\.sha256 is missing"):
        InferenceOrder.from_wire(wire)


@pytest.mark.parametrize(
    ("field", "value"), [("attempt", "1"), ("attempt", True), ("job_id", 5), ("job_id", "x" * 100_001), ("images", "i")]
)
def test_a_mistyped_field_is_refused_without_quoting_its_value(field: str, value: Any) -> None:
    with pytest.raises(ContractViolation) as refusal:
        InferenceOrder.from_wire(an_order() | {field: value})
    assert field in str(refusal.value)
    assert len(str(refusal.value)) < 100


def test_unknown_fields_are_logged_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read = InferenceOrder.from_wire(an_order() | {"colour": "blue"})
    assert read == InferenceOrder.from_wire(an_order())
    assert "colour" in caplog.text
    assert "blue" not in caplog.text


@pytest.mark.parametrize("version", [CONTRACT_VERSION + 1, "1", None])
def test_a_newer_or_unreadable_version_is_refused(version: Any) -> None:
    with pytest.raises(ContractViolation, match="contract_version"):
        InferenceOrder.from_wire(an_order() | {"contract_version": version})


def test_an_unknown_kind_of_event_is_refused() -> None:
    event = JobEvent("e", EventKind.STARTED, "job", 1, "w", "2026-01-01T00:00:00+00:00").to_wire()
    with pytest.raises(ContractViolation, match="kind"):
        event_from_wire(event | {"kind": "exploded"})


def test_an_order_for_four_views_stays_small() -> None:
    image = ImageReference("0" * 36, "sites/1/images/ab/" + "0" * 64, "0" * 64, "application/dicom", "L", "MLO")
    order = InferenceOrder(
        "0" * 36, 1, "0" * 36, (image,) * 4, "sha256:" + "0" * 64, "packages/" + "0" * 64, "a/" + "0" * 40, "stat", 60
    )
    assert len(json.dumps(order.to_wire())) < 2000


@pytest.mark.parametrize("failure", CATALOGUE.values(), ids=lambda failure: failure.code)
def test_every_failure_says_who_must_act_and_what_to_do(failure: Any) -> None:
    assert failure.responsibility in Responsibility
    for words in (failure.title, failure.message, failure.action):
        assert words
        assert words[0].isupper()
    assert failure.message.endswith(".")
    assert failure.action.endswith(".")


def test_a_code_of_a_newer_worker_keeps_its_name_and_an_invented_one_cannot_be_raised() -> None:
    assert failure_for("model:new_thing").code == "model:new_thing"
    assert failure_for("model:new_thing").title == CATALOGUE["system:unexpected"].title
    with pytest.raises(KeyError):
        CodedError("model:new_thing")


def test_the_broker_never_duplicates_an_order_that_is_still_worked_on() -> None:
    settings = celery_settings()
    assert VISIBILITY_TIMEOUT_SECONDS > ORDER_HARD_LIMIT_SECONDS
    assert settings["broker_transport_options"]["visibility_timeout"] == settings["visibility_timeout"]
    assert settings["accept_content"] == ["json"]
    assert settings["result_backend"] is None
    assert settings["task_acks_late"] is True


def test_the_contract_needs_the_standard_library_alone() -> None:
    code = (
        "import sys\n"
        "import inference_worker.contract.events, inference_worker.contract.failures, inference_worker.contract.orders\n"
        "import inference_worker.contract.queues, inference_worker.contract.results, inference_worker.contract.wire\n"
        "tops = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "sys.stdout.write(' '.join(sorted(name for name in tops if not name.startswith('_'))))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["inference_worker"]
