"""How the platform does as a whole, for whoever runs it: what came out, what waits, who works, what is stored. Reads only.

Administrators of a site see their own site's jobs and storage; queues, workers and disk are the platform's and shown to all of
them, without names of other sites.
"""

from __future__ import annotations

import datetime
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Min, Sum

from accounts.models import Site
from catalog.models import Deployment
from common import clock
from inference_worker.contract.queues import ORDER_QUEUES
from jobs.heartbeats import DISPATCHER, EVENT_FLOW, LEDGER, WORKER
from jobs.models import OutboxMessage, WorkerStatus
from monitoring.histograms import counts_sum, seconds_percentile, tallies_add
from monitoring.models import HourlyStatistics
from studies.models import StoredObject

_HOURS = 24
_PERCENTS = (50, 95, 99)


def operations_report(*, site: Site | None) -> dict[str, Any]:
    """Everything at once; `site` None: of every site."""
    now = clock.now()
    return {
        **_finished(site, now),
        "queues": _queues(site, now),
        "processes": _processes(now),
        "in_service": _in_service(site),
        "storage": _storage(site),
    }


def _in_service(site: Site | None) -> list[dict[str, Any]]:
    rows = Deployment.objects.select_related("package", "site").defer("package__manifest").order_by("name", "site")
    return [
        {
            "deployment": row.name,
            "site": row.site.slug if row.site else None,
            "package": str(row.package),
            "digest": row.package_id,
        }
        for row in rows
        if site is None or row.site_id in (None, site.pk)
    ]


def _finished(site: Site | None, now: datetime.datetime) -> dict[str, Any]:
    """Clinical jobs of the last 24 hours, from the hourly counts."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    rows = HourlyStatistics.objects.filter(hour__gt=this_hour - datetime.timedelta(hours=_HOURS))
    if site is not None:
        rows = rows.filter(site=site)
    hours: dict[datetime.datetime, dict[str, int]] = defaultdict(lambda: {"succeeded": 0, "failed": 0, "cancelled": 0})
    failures: dict[str, int] = {}
    latency, waiting = [], []
    for row in rows:
        for name in ("succeeded", "failed", "cancelled"):
            hours[row.hour][name] += getattr(row, name)
        failures = tallies_add(failures, row.failures)
        latency.append(row.latency)
        waiting.append(row.waiting)
    moments = [this_hour - datetime.timedelta(hours=n) for n in reversed(range(_HOURS))]
    return {
        "throughput": [{"hour": moment.isoformat(), **hours[moment]} for moment in moments],
        "failures": [{"code": code, "jobs": n} for code, n in sorted(failures.items(), key=lambda item: (-item[1], item[0]))],
        "run_seconds": _percentiles(counts_sum(latency)),
        "wait_seconds": _percentiles(counts_sum(waiting)),
    }


def _percentiles(counts: list[int]) -> dict[str, Any]:
    return {"jobs": sum(counts), **{f"p{percent}": seconds_percentile(counts, percent) for percent in _PERCENTS}}


def _queues(site: Site | None, now: datetime.datetime) -> list[dict[str, Any]]:
    waiting = OutboxMessage.objects.filter(done=False, queue__in=ORDER_QUEUES).order_by()
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in waiting.values("queue", "site", "site__slug").annotate(n=Count("*"), since=Min("not_before")):
        rows[row["queue"]].append(dict(row))
    found = []
    for queue in ORDER_QUEUES:
        since = min((row["since"] for row in rows[queue]), default=None)
        found.append(
            {
                "priority": queue,
                "waiting": sum(row["n"] for row in rows[queue]),
                "oldest_seconds": int(max(0.0, (now - since).total_seconds())) if since else None,
                "sites": [
                    {"site": row["site__slug"], "waiting": row["n"]}
                    for row in sorted(rows[queue], key=lambda row: -row["n"])
                    if site is None or row["site"] == site.pk
                ],
            }
        )
    return found


def _processes(now: datetime.datetime) -> list[dict[str, Any]]:
    """Workers and the platform's own loops, as their heartbeats tell. “event_flow”: the way of events to the database."""
    patience = settings.WORKER_SILENT_AFTER_SECONDS
    rows = WorkerStatus.objects.filter(kind__in=[WORKER, LEDGER, DISPATCHER, EVENT_FLOW]).order_by("kind", "name")
    return [
        {
            "kind": row.kind,
            "name": row.name,
            "alive": (now - row.last_seen_at).total_seconds() <= patience,
            "last_seen_at": row.last_seen_at.isoformat(),
            "device": row.provider or None,
            "concurrency": row.concurrency,
            "active": row.active,
            "resident_memory_bytes": row.resident_memory_bytes,
            "software_version": row.software_version or None,
        }
        for row in rows
    ]


def _storage(site: Site | None) -> dict[str, Any]:
    """Bytes. Free disk is that of DATA_DIR on the machine that answers."""
    images = StoredObject.objects.all() if site is None else StoredObject.objects.filter(site=site)
    incoming = Path(settings.FILE_UPLOAD_TEMP_DIR)
    disk = shutil.disk_usage(next(path for path in (settings.DATA_DIR, *settings.DATA_DIR.parents) if path.exists()))
    return {
        "images_bytes": images.aggregate(n=Sum("size_bytes"))["n"] or 0,
        "incoming_bytes": sum(path.stat().st_size for path in incoming.glob("*") if path.is_file()) if incoming.is_dir() else 0,
        "database_bytes": _database_bytes(),
        "disk_free_bytes": disk.free,
        "disk_total_bytes": disk.total,
    }


def _database_bytes() -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return int(cursor.fetchone()[0])
