from __future__ import annotations

from inference_worker.attempts import AttemptRegister
from inference_worker.contract.events import AttemptReference

ONE, TWO = AttemptReference("job", 1), AttemptReference("job", 2)


def test_an_attempt_delivered_twice_is_claimed_once() -> None:
    register = AttemptRegister()
    with register.claim(ONE) as first, register.claim(ONE) as second, register.claim(TWO) as other:
        assert (first, second, other) == (True, False, True)
        assert register.active == (ONE, TWO)
    assert register.active == ()
    with register.claim(ONE) as again:
        assert again


def test_a_second_delivery_does_not_release_the_first() -> None:
    register = AttemptRegister()
    with register.claim(ONE):
        with register.claim(ONE):
            pass
        assert register.active == (ONE,)


def test_only_the_named_attempt_is_abandoned() -> None:
    register = AttemptRegister()
    register.abandon(job_id="job", attempt=1)
    assert register.is_abandoned(ONE)
    assert not register.is_abandoned(TWO)


def test_a_cancel_of_any_attempt_does_not_outlive_a_minute() -> None:
    now = [0.0]
    register = AttemptRegister(monotonic=lambda: now[0])
    register.abandon(job_id="job", attempt=None)
    assert register.is_abandoned(ONE)
    assert register.is_abandoned(TWO)
    now[0] = 61.0
    assert not register.is_abandoned(TWO)


def test_a_request_is_forgotten_once_its_attempt_ended() -> None:
    register = AttemptRegister()
    with register.claim(ONE):
        register.abandon(job_id="job", attempt=1)
        assert register.is_abandoned(ONE)
    assert not register.is_abandoned(ONE)


def test_requests_are_bounded_and_the_newest_are_kept() -> None:
    register = AttemptRegister()
    for number in range(10_001):
        register.abandon(job_id=f"job-{number}", attempt=1)
    assert not register.is_abandoned(AttemptReference("job-0", 1))
    assert register.is_abandoned(AttemptReference("job-1", 1))
    assert register.is_abandoned(AttemptReference("job-10000", 1))
