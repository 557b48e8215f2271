"""The dynamic batcher with a model written in NumPy, so that every answer is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from inference_worker.batching import DynamicBatcher, ModelOutput, batch_take
from inference_worker.contract.failures import CodedError

COMPANY_SECONDS = 1.5  # how long an image waits for others: longer than a busy machine stands still


class SumModel:
    """Answers the sum of each image. Raises on any batch that holds a 13, NaN for an image of 7s."""

    def __init__(self) -> None:
        self.batch_sizes: list[int] = []
        self.may_run = threading.Event()
        self.may_run.set()
        self.entered = threading.Event()

    def run(self, tensors: np.ndarray) -> ModelOutput:
        self.batch_sizes.append(len(tensors))
        self.entered.set()
        assert self.may_run.wait(10)
        if (tensors == 13).any():
            raise RuntimeError("thirteen")
        totals = tensors.reshape(len(tensors), -1).sum(axis=1, keepdims=True)
        totals[tensors.reshape(len(tensors), -1)[:, 0] == 7] = np.nan
        return ModelOutput(totals, totals, totals[:, :, None, None])


@pytest.fixture
def model() -> SumModel:
    return SumModel()


@pytest.fixture
def make(model: SumModel) -> Iterator[Callable[..., DynamicBatcher]]:
    made: list[DynamicBatcher] = []

    def batcher(**options: object) -> DynamicBatcher:
        values = {"batch_sizes": (1, 2, 4, 8), "maximum_wait_seconds": 0.02, "gate": threading.Lock(), **options}
        made.append(DynamicBatcher(run=model.run, **values))  # type: ignore[arg-type]
        return made[-1]

    yield batcher
    model.may_run.set()
    for one in made:
        one.close()


def image(value: float) -> np.ndarray:
    return np.full((2, 2), value, np.float32)


def both_entered(model: SumModel) -> None:
    end = time.monotonic() + 10
    while len(model.batch_sizes) < 2:
        assert time.monotonic() < end, "the second lane never ran"
        time.sleep(0.005)


def total(future: object) -> float:
    return float(future.result(10).logits[0])  # type: ignore[attr-defined]


def test_every_image_gets_its_own_answer(make: Callable[..., DynamicBatcher]) -> None:
    batcher = make()
    futures = [batcher.submit(tensor=image(value)) for value in range(1, 7)]
    assert [total(future) for future in futures] == [4.0, 8.0, 12.0, 16.0, 20.0, 24.0]


def test_images_that_wait_while_a_batch_runs_go_together(make: Callable[..., DynamicBatcher], model: SumModel) -> None:
    model.may_run.clear()
    batcher = make(maximum_wait_seconds=0.0)
    first = batcher.submit(tensor=image(1))
    assert model.entered.wait(10)
    others = [batcher.submit(tensor=image(2)) for _ in range(8)]
    model.may_run.set()
    assert [total(future) for future in [first, *others]] == [4.0, *[8.0] * 8]
    assert model.batch_sizes == [1, 8]


def test_a_batch_is_padded_up_to_the_next_fixed_size(make: Callable[..., DynamicBatcher], model: SumModel) -> None:
    batcher = make(maximum_wait_seconds=COMPANY_SECONDS)
    futures = [batcher.submit(tensor=image(value)) for value in (1, 2, 3)]
    assert [total(future) for future in futures] == [4.0, 8.0, 12.0]
    assert model.batch_sizes == [4]


def test_an_image_that_breaks_the_model_fails_alone(make: Callable[..., DynamicBatcher], model: SumModel) -> None:
    batcher = make(maximum_wait_seconds=COMPANY_SECONDS)
    futures = [batcher.submit(tensor=image(value)) for value in (1, 2, 3, 13, 5, 6, 8, 9)]
    with pytest.raises(CodedError) as failure:
        futures[3].result(10)
    assert failure.value.code == "model:run_failed"
    assert [total(future) for index, future in enumerate(futures) if index != 3] == [4, 8, 12, 20, 24, 32, 36]
    assert model.batch_sizes == [8, 4, 2, 2, 1, 1, 4]


def test_an_image_without_finite_outputs_fails_alone(make: Callable[..., DynamicBatcher]) -> None:
    batcher = make(maximum_wait_seconds=COMPANY_SECONDS)
    good, bad, also_good = (batcher.submit(tensor=image(value)) for value in (1, 7, 2))
    with pytest.raises(CodedError) as failure:
        bad.result(10)
    assert failure.value.code == "model:not_finite"
    assert (total(good), total(also_good)) == (4.0, 8.0)


def test_an_image_of_another_shape_does_not_harm_its_neighbours(make: Callable[..., DynamicBatcher]) -> None:
    batcher = make(maximum_wait_seconds=COMPANY_SECONDS)
    good = batcher.submit(tensor=image(1))
    odd = batcher.submit(tensor=np.ones((3, 3), np.float32))
    assert (total(good), total(odd)) == (4.0, 9.0)


def test_a_full_queue_makes_submitters_wait_and_then_gives_up(make: Callable[..., DynamicBatcher], model: SumModel) -> None:
    model.may_run.clear()
    batcher = make(maximum_wait_seconds=0.0, queue_limit=2)
    batcher.submit(tensor=image(1))
    assert model.entered.wait(10)
    waiting = [batcher.submit(tensor=image(1)) for _ in range(2)]
    with pytest.raises(CodedError) as failure:
        batcher.submit(tensor=image(1), timeout_seconds=0.05)
    assert failure.value.code == "system:timeout"
    model.may_run.set()
    assert [total(future) for future in waiting] == [4.0, 4.0]


def test_closing_finishes_what_waits_and_refuses_what_comes(make: Callable[..., DynamicBatcher]) -> None:
    batcher = make(maximum_wait_seconds=5.0)
    futures = [batcher.submit(tensor=image(value)) for value in (1, 2)]
    batcher.close()
    assert [total(future) for future in futures] == [4.0, 8.0]
    with pytest.raises(CodedError):
        batcher.submit(tensor=image(1))


def test_a_cancelled_image_is_not_run(make: Callable[..., DynamicBatcher], model: SumModel) -> None:
    model.may_run.clear()
    batcher = make(maximum_wait_seconds=0.0)
    batcher.submit(tensor=image(1))
    assert model.entered.wait(10)
    cancelled, kept = batcher.submit(tensor=image(2)), batcher.submit(tensor=image(3))
    assert cancelled.cancel()
    model.may_run.set()
    assert total(kept) == 12.0
    assert model.batch_sizes == [1, 1]


@pytest.mark.parametrize(
    ("pending", "minimum_fill", "taken"),
    [(1, 0.75, 1), (3, 0.75, 3), (5, 0.75, 4), (6, 0.75, 6), (5, 0.0, 5), (8, 0.75, 8), (20, 0.75, 8)],
)
def test_padding_is_accepted_only_when_little_is_wasted(pending: int, minimum_fill: float, taken: int) -> None:
    assert batch_take(pending=pending, batch_sizes=(1, 2, 4, 8), minimum_fill=minimum_fill) == taken


def test_fewer_than_the_smallest_size_are_padded_rather_than_kept_waiting() -> None:
    assert batch_take(pending=1, batch_sizes=(4, 8), minimum_fill=0.75) == 1


def test_two_lanes_run_side_by_side_and_answers_stay_apart(make: Callable[..., DynamicBatcher], model: SumModel) -> None:
    model.may_run.clear()
    batcher = make(lanes=2, gate=threading.BoundedSemaphore(2), maximum_wait_seconds=0.0, batch_sizes=(1,))
    futures = [batcher.submit(tensor=image(value)) for value in (1, 2, 3)]
    both_entered(model)
    assert model.batch_sizes == [1, 1]  # both run, the third waits
    model.may_run.set()
    assert [total(future) for future in futures] == [4.0, 8.0, 12.0]


def test_idle_lanes_share_what_arrives_together(make: Callable[..., DynamicBatcher], model: SumModel) -> None:
    model.may_run.clear()
    batcher = make(lanes=2, gate=threading.BoundedSemaphore(2), maximum_wait_seconds=COMPANY_SECONDS)
    futures = [batcher.submit(tensor=image(value)) for value in (1, 2, 3, 4)]
    both_entered(model)
    model.may_run.set()
    assert [total(future) for future in futures] == [4.0, 8.0, 12.0, 16.0]
    assert model.batch_sizes == [2, 2]


def test_closing_lets_every_lane_finish_what_waits(make: Callable[..., DynamicBatcher]) -> None:
    batcher = make(lanes=3, gate=threading.BoundedSemaphore(3), maximum_wait_seconds=3600.0)
    futures = [batcher.submit(tensor=image(value)) for value in (1, 2, 3)]
    batcher.close()
    assert [total(future) for future in futures] == [4.0, 8.0, 12.0]
