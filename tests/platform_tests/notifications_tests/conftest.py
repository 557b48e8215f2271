"""Fixtures of the webhooks' tests: a receiver on loopback, which these settings alone allow, and one round of deliveries."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts.models import Site
from catalog.models import Deployment
from common.object_store import ObjectStore
from jobs.models import Job
from notifications.addresses import AddressPolicy
from notifications.deliveries import deliveries_claim, outcome_record
from notifications.endpoints import endpoint_create
from notifications.models import WebhookEndpoint
from notifications.sending import Outcome, TimeLimits, attempt_send
from tests.platform_tests.jobs_tests.conftest import Clock
from tests.platform_tests.jobs_tests.conftest import moving_clock as moving_clock
from tests.platform_tests.jobs_tests.factories import deployment_make, job_make
from tests.platform_tests.notifications_tests.receiver import Receiver, receiving

__all__ = ["Clock"]


@pytest.fixture(autouse=True)
def _loopback_allowed(settings: Any) -> None:
    settings.WEBHOOKS_ALLOW_HTTP = True
    settings.WEBHOOKS_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    settings.WEBHOOKS_PORTS = []


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def deployment(db: None, store: ObjectStore, tmp_path: Path) -> Deployment:
    return deployment_make(tmp_path)


@pytest.fixture
def make_job(deployment: Deployment, site: Site) -> Callable[..., Job]:
    return lambda **fields: job_make(deployment, fields.pop("site", site), **fields)


@pytest.fixture
def job(make_job: Callable[..., Job]) -> Job:
    return make_job()


@pytest.fixture
def make_endpoint(site: Site, receiver: Receiver) -> Callable[..., tuple[WebhookEndpoint, str]]:
    """An endpoint of `site` at `receiver`, and its secret."""

    def make(**given: Any) -> tuple[WebhookEndpoint, str]:
        return endpoint_create(**{"site": site, "url": receiver.url(), "created_by": None, **given})

    return make


@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def deliver(*, total_seconds: float = 5.0) -> list[Outcome]:
    """Claim, send and record what is due, as the process does in one round."""
    outcomes = []
    for order in deliveries_claim(room=64, room_failing=32):
        outcome = asyncio.run(
            attempt_send(
                order,
                policy=AddressPolicy.from_settings(),
                limits=TimeLimits(2.0, total_seconds, total_seconds),
                ssl_context=_ssl_context(),
            )
        )
        outcome_record(order=order, outcome=outcome)
        outcomes.append(outcome)
    return outcomes
