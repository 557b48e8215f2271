"""How the platform does as a whole, for whoever runs it: what came out, what waits, who works, what is stored. Reads only.

Over an hour in steps of five minutes, a day in hours, a week in quarters of a day; each from rows that are counts already.

Administrators of a site see their own site's jobs and storage; queues, workers and disk are the platform's and shown to all of
them, without names of other sites.
"""

from __future__ import annotations

import datetime
import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Min, Sum, TextField
from django.db.models.functions import Cast

from accounts.models import Site
from catalog.models import Deployment
from common import clock
from inference_worker.contract.queues import ORDER_QUEUES
from jobs.heartbeats import BATCHES, DISPATCHER, EVENT_FLOW, LEDGER, WEBHOOKS, WORKER
from jobs.models import OutboxMessage, WorkerStatus
from monitoring.histograms import counts_sum, seconds_percentile, tallies_add
from monitoring.models import HourlyStatistics, RecentStatistics
from monitoring.rollups import recent_start
from studies.models import StoredObject

_PERCENTS = (50, 95, 99)
#: Every kind of process that a whole platform has; “event_flow” is none.
PROCESS_KINDS = (WORKER, LEDGER, DISPATCHER, BATCHES, WEBHOOKS)
#: Adding up every stored object takes longer than everything else, and changes little from one look to the next.
_STORED_REMEMBERED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Window:
    """`points` steps that end with the one that is running now."""

    step: datetime.timedelta
    points: int
    remembered_seconds: int
    is_recent: bool = False

    def start(self, now: datetime.datetime) -> datetime.datetime:
        """The beginning of the first step."""
        running = recent_start(now) if self.is_recent else now.replace(minute=0, second=0, microsecond=0)
        if self.step > datetime.timedelta(hours=1):
            running = running.replace(hour=now.hour - now.hour % int(self.step.total_seconds() // 3600))
        return running - self.step * (self.points - 1)


WINDOWS = {
    "1h": Window(datetime.timedelta(minutes=5), 12, remembered_seconds=2, is_recent=True),
    "24h": Window(datetime.timedelta(hours=1), 24, remembered_seconds=4),
    "7d": Window(datetime.timedelta(hours=6), 28, remembered_seconds=30),
}


def operations_report(*, site: Site | None, window: str = "24h") -> dict[str, Any]:
    """Everything at once; `site` None: of every site. `window`: a key of WINDOWS."""
    now = clock.now()
    processes = _processes(now)
    alive = {row["kind"] for row in processes if row["alive"]}
    return {
        "window": window,
        **_finished(site, now, WINDOWS[window]),
        "queues": _queues(site, now),
        "processes": processes,
        "missing": [kind for kind in PROCESS_KINDS if kind not in alive],
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


_OUTCOMES = ("succeeded", "failed", "cancelled")
_SECONDS = ("latency", "waiting", "turnaround")
#: Jobs are counted within seconds of their end, but for a ledger or a dispatcher that was away.
_STEPS_REMEMBERED_SECONDS = 600


def _finished(site: Site | None, now: datetime.datetime, window: Window) -> dict[str, Any]:
    """Clinical jobs of the window: step by step, and all together. Remembered for a moment, what lies behind for longer."""
    start = window.start(now)
    key = f"operations.finished.{start.isoformat()}.{window.step}.{site.pk if site else 'all'}"
    known: dict[str, Any] | None = cache.get(key)
    if known is None:
        known = _finished_report(start, window, _steps(site, now, start, window))
        cache.set(key, known, window.remembered_seconds)
    return known


def _steps(site: Site | None, now: datetime.datetime, start: datetime.datetime, window: Window) -> list[_Step]:
    key = f"operations.steps.{window.step}.{site.pk if site else 'all'}"
    patience = datetime.timedelta(seconds=_STEPS_REMEMBERED_SECONDS)
    until, known = cache.get(key) or (now, {})
    if until <= now:
        until, known = now + patience, {}
    starts = [start + index * window.step for index in range(window.points)]
    first = next(at for at in starts if at not in known)
    steps = {**known, **_steps_read(site, [at for at in starts if at >= first], window)}
    behind = {at: steps[at] for at in starts if at + window.step <= now - patience}
    cache.set(key, (until, behind), _STEPS_REMEMBERED_SECONDS)
    return [steps[at] for at in starts]


@dataclass(frozen=True, slots=True)
class _Step:
    """What ended in one step. `seconds`: counts of _SECONDS, in their order."""

    outcomes: tuple[int, ...]
    failures: dict[str, int]
    seconds: tuple[list[int], ...]
    stages: dict[str, list[int]]


def _steps_read(site: Site | None, starts: Sequence[datetime.datetime], window: Window) -> dict[datetime.datetime, _Step]:
    """Steps that follow one another."""
    of_site = {} if site is None else {"site": site}
    rows: Any
    if window.is_recent:
        rows, moment = RecentStatistics.objects.filter(at__gte=starts[0], **of_site), "at"
    else:
        rows, moment = HourlyStatistics.objects.filter(hour__gte=starts[0], **of_site), "hour"
    # As text, to be read all in one go: a week of a large platform is tens of thousands of short lists.
    texts = [Cast(name, TextField()) for name in (moment, "failures", "stages", *_SECONDS)]
    held: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for at, *row in rows.order_by().values_list(*texts, *_OUTCOMES):
        held[at].append(tuple(row))
    of_step: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for at, some in held.items():
        told = datetime.datetime.fromisoformat(at)
        of_step[int(((told if told.tzinfo else told.replace(tzinfo=datetime.UTC)) - starts[0]) / window.step)] += some
    return {at: _step(of_step[index]) for index, at in enumerate(starts)}


def _step(rows: Sequence[tuple[Any, ...]]) -> _Step:
    """Rows of failures, stages and _SECONDS as JSON, and _OUTCOMES."""
    size = 2 + len(_SECONDS)
    read = json.loads(f"[{','.join('[' + ','.join(row[:size]) + ']' for row in rows)}]")
    failures: dict[str, int] = {}
    stages: dict[str, list[list[int]]] = defaultdict(list)
    for codes, by_stage, *_ in read:
        failures = tallies_add(failures, codes) if codes else failures
        for name, counts in by_stage.items():
            stages[name].append(counts)
    return _Step(
        outcomes=tuple(sum(row[size + place] for row in rows) for place in range(len(_OUTCOMES))),
        failures=failures,
        seconds=tuple(counts_sum(row[2 + place] for row in read) for place in range(len(_SECONDS))),
        stages={name: counts_sum(many) for name, many in stages.items()},
    )


def _finished_report(start: datetime.datetime, window: Window, steps: Sequence[_Step]) -> dict[str, Any]:
    failures: dict[str, int] = {}
    stages: dict[str, list[list[int]]] = defaultdict(list)
    for step in steps:
        failures = tallies_add(failures, step.failures)
        for name, counts in step.stages.items():
            stages[name].append(counts)
    run, wait, total = (_percentiles(counts_sum(many)) for many in zip(*(step.seconds for step in steps), strict=True))
    return {
        "throughput": [_point(start + index * window.step, step) for index, step in enumerate(steps)],
        "failures": [{"code": code, "jobs": n} for code, n in sorted(failures.items(), key=lambda item: (-item[1], item[0]))],
        "total_seconds": total,
        "wait_seconds": wait,
        "run_seconds": run,
        "stages": [{"stage": name, **_percentiles(counts_sum(counts))} for name, counts in sorted(stages.items())],
    }


def _point(at: datetime.datetime, step: _Step) -> dict[str, Any]:
    turnaround = step.seconds[_SECONDS.index("turnaround")]
    return {
        "at": at.isoformat(),
        **dict(zip(_OUTCOMES, step.outcomes, strict=True)),
        "total_p50": seconds_percentile(turnaround, 50),
        "total_p95": seconds_percentile(turnaround, 95),
    }


def _percentiles(counts: list[int]) -> dict[str, Any]:
    return {"jobs": sum(counts), **{f"p{percent}": seconds_percentile(counts, percent) for percent in _PERCENTS}}


def _queues(site: Site | None, now: datetime.datetime) -> list[dict[str, Any]]:
    waiting = OutboxMessage.objects.filter(done=False, queue__in=ORDER_QUEUES).order_by()
    slugs = dict(Site.objects.values_list("pk", "slug"))
    rows: dict[str, dict[Any, dict[str, Any]]] = defaultdict(dict)
    # Apart, because each has an index that holds all that is asked for: the many that wait, the few that are on their way.
    for part in (waiting.filter(published_at=None), waiting.filter(published_at__isnull=False)):
        for row in part.values("queue", "site").annotate(n=Count("*"), since=Min("not_before")):
            held = rows[row["queue"]].setdefault(row["site"], {"waiting": 0, "since": row["since"]})
            held["waiting"] += row["n"]
            held["since"] = min(held["since"], row["since"])
    found = []
    for queue in ORDER_QUEUES:
        since = min((row["since"] for row in rows[queue].values()), default=None)
        found.append(
            {
                "priority": queue,
                "waiting": sum(row["waiting"] for row in rows[queue].values()),
                "oldest_seconds": int(max(0.0, (now - since).total_seconds())) if since else None,
                "sites": [
                    {"site": slugs[pk], "waiting": row["waiting"]}
                    for pk, row in sorted(rows[queue].items(), key=lambda item: -item[1]["waiting"])
                    if site is None or pk == site.pk
                ],
            }
        )
    return found


def _processes(now: datetime.datetime) -> list[dict[str, Any]]:
    """Workers and the platform's own loops, as their heartbeats tell. “event_flow”: the way of events to the database."""
    patience = settings.WORKER_SILENT_AFTER_SECONDS
    rows = WorkerStatus.objects.filter(kind__in=[*PROCESS_KINDS, EVENT_FLOW]).order_by("kind", "name")
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
    incoming = Path(settings.FILE_UPLOAD_TEMP_DIR)
    disk = shutil.disk_usage(next(path for path in (settings.DATA_DIR, *settings.DATA_DIR.parents) if path.exists()))
    return {
        "images_bytes": _images_bytes(site),
        "incoming_bytes": sum(path.stat().st_size for path in incoming.glob("*") if path.is_file()) if incoming.is_dir() else 0,
        "database_bytes": _database_bytes(),
        "disk_free_bytes": disk.free,
        "disk_total_bytes": disk.total,
    }


def _images_bytes(site: Site | None) -> int:
    key = f"operations.images.{site.pk if site else 'all'}"
    known: int | None = cache.get(key)
    if known is None:
        images = StoredObject.objects.all() if site is None else StoredObject.objects.filter(site=site)
        known = images.aggregate(n=Sum("size_bytes"))["n"] or 0
        cache.set(key, known, _STORED_REMEMBERED_SECONDS)
    return known


def _database_bytes() -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        return int(cursor.fetchone()[0])
