"""Tells every worker which packages are in service, and reads from heartbeats how far each worker has come with one.

On a change the workers load what is new beside what is old, and let go what nothing holds. Best effort: the dispatcher says it
again every few seconds, and a worker that missed it loads a package with its first order.
"""

from __future__ import annotations

import datetime
import logging
from typing import Any

from django.conf import settings
from django.db.models import Q

from catalog.models import ModelPackage
from common import clock
from jobs import broker
from jobs.heartbeats import WORKER
from jobs.models import WorkerStatus

logger = logging.getLogger(__name__)


def packages_in_service() -> list[dict[str, str]]:
    """Digest and object key of every package that a deployment serves or tries."""
    rows = ModelPackage.objects.filter(Q(deployments__isnull=False) | Q(candidacies__isnull=False)).distinct()
    return [{"digest": digest, "key": key} for digest, key in rows.order_by("digest").values_list("digest", "object_key")]


def packages_announce() -> None:
    """Broadcast what is in service. A broker that is away hears it with the next round."""
    try:
        broker.packages_announce(packages=packages_in_service())
    except broker.BrokerUnavailable:
        logger.warning("broker away: the workers hear of the packages in service later")


def package_readiness(*, digest: str) -> dict[str, Any]:
    """How far the live workers are with a package: {state, workers: [{name, state, code}]}.

    A worker is ready (loaded and proven), refused (it cannot serve it; `code` says why) or loading. The whole is ready, loading,
    partial (some refuse), refused (all do) or no_workers.
    """
    alive = clock.now() - datetime.timedelta(seconds=settings.WORKER_SILENT_AFTER_SECONDS)
    workers = []
    for row in WorkerStatus.objects.filter(kind=WORKER, last_seen_at__gte=alive).order_by("name"):
        code = row.refused_packages.get(digest, "")
        state = "refused" if code else "ready" if digest in row.loaded_packages else "loading"
        workers.append({"name": row.name, "state": state, "code": code or None})
    return {"state": _whole([str(worker["state"]) for worker in workers]), "workers": workers}


def _whole(states: list[str]) -> str:
    if not states:
        return "no_workers"
    if "refused" in states:
        return "refused" if set(states) == {"refused"} else "partial"
    return "loading" if "loading" in states else "ready"


def others_may_serve(*, digest: str, besides: str) -> bool:
    """Whether a live worker other than `besides` is not known to refuse the package."""
    alive = clock.now() - datetime.timedelta(seconds=settings.WORKER_SILENT_AFTER_SECONDS)
    others = WorkerStatus.objects.filter(kind=WORKER, last_seen_at__gte=alive).exclude(name=besides)
    return any(digest not in refused for refused in others.values_list("refused_packages", flat=True))


def refusal_note(*, worker: str, digest: str, code: str) -> None:
    """A worker has just refused a package: known from now on, not from its next heartbeat."""
    row = WorkerStatus.objects.select_for_update().filter(name=worker, kind=WORKER).first()
    if row is not None and row.refused_packages.get(digest) != code:
        row.refused_packages = {**row.refused_packages, digest: code}
        row.save(update_fields=["refused_packages"])
