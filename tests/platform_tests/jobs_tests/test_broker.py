"""The platform's dealings with a broker that is there and does not answer: nobody waits for it for long."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs import broker
from jobs.models import Job, JobStatus, OutboxMessage
from jobs.services import job_cancel

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def silent_broker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Something that takes connections and never says a word, as a stopped Redis or a lost network does."""
    monkeypatch.setattr(broker, "_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        settings.BROKER_URL = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        broker.celery_app.cache_clear()
        yield
        broker.celery_app.cache_clear()


@pytest.mark.parametrize(
    "action",
    [
        broker.broker_check,
        broker.epoch_read,
        broker.epoch_write,
        broker.ledger_ping,
        lambda: broker.orders_publish(orders=[("stat", {"job_id": "j", "attempt": 1})]),
    ],
)
def test_a_broker_that_does_not_answer_is_unavailable(silent_broker: None, action: Callable[[], object]) -> None:
    with pytest.raises(broker.BrokerUnavailable):
        action()


@pytest.mark.django_db(transaction=True)
def test_cancelling_does_not_wait_for_a_silent_broker(job: Job, silent_broker: None) -> None:
    from jobs.ledger import events_apply
    from tests.platform_tests.jobs_tests.factories import event

    events_apply([event("started", job)])

    assert job_cancel(job_id=job.pk, cancelled_by=None).status == JobStatus.CANCELLED
    assert OutboxMessage.objects.get(job=job).done
