"""Prometheus metrics, computed from the database at each scrape, so that any web process answers alike.

No site, no person and no job is named; deployments and packages are, of which there are few.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count, Min, Sum
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from catalog.models import PackageCheck
from common import clock
from inference_worker.contract.queues import ORDER_QUEUES
from jobs.heartbeats import WORKER
from jobs.models import Job, JobPurpose, JobStatus, OutboxMessage, WorkerStatus
from monitoring.histograms import SECONDS, counts_sum
from monitoring.models import Alert, HourlyStatistics

_DAY = datetime.timedelta(hours=24)


def metrics_text() -> bytes:
    """The text exposition format."""
    registry = CollectorRegistry()
    registry.register(_Collector())
    return bytes(generate_latest(registry))


class _Collector:
    """Collects on demand; holds nothing."""

    def collect(self) -> Iterator[Metric]:
        yield from _jobs()
        yield from _queues()
        yield from _finished()
        yield from _workers()
        alerts = GaugeMetricFamily("mammoserve_alerts", "Alerts that stand", labels=["metric"])
        for metric, count in Alert.objects.filter(resolved_at=None).order_by().values_list("metric").annotate(n=Count("*")):
            alerts.add_metric([metric], count)
        yield alerts
        checks = GaugeMetricFamily("mammoserve_package_checks", "Package checks by state", labels=["state"])
        for state, count in PackageCheck.objects.order_by().values_list("state").annotate(n=Count("*")):
            checks.add_metric([state], count)
        yield checks


def _jobs() -> Iterator[Metric]:
    jobs = GaugeMetricFamily("mammoserve_jobs", "Clinical jobs that are not finished, by status", labels=["status"])
    open_jobs = Job.objects.filter(status__in=[JobStatus.QUEUED, JobStatus.RUNNING], purpose=JobPurpose.CLINICAL)
    found = dict(open_jobs.order_by().values_list("status").annotate(n=Count("*")))
    for status in (JobStatus.QUEUED, JobStatus.RUNNING):
        jobs.add_metric([status.value], found.get(status.value, 0))
    yield jobs


def _queues() -> Iterator[Metric]:
    depth = GaugeMetricFamily("mammoserve_queue_depth", "Orders that wait for a worker", labels=["priority"])
    oldest = GaugeMetricFamily("mammoserve_queue_oldest_seconds", "How long the oldest order has waited", labels=["priority"])
    now = clock.now()
    waiting = OutboxMessage.objects.filter(done=False, not_before__lte=now).order_by().values("queue")
    rows = {row["queue"]: row for row in waiting.annotate(n=Count("*"), since=Min("not_before"))}
    for queue in ORDER_QUEUES:
        row = rows.get(queue)
        depth.add_metric([queue], row["n"] if row else 0)
        oldest.add_metric([queue], (now - row["since"]).total_seconds() if row else 0.0)
    yield depth
    yield oldest


def _finished() -> Iterator[Metric]:
    """Of the last 24 hours, as gauges: the rows of older hours are forgotten some day, and a counter must never fall."""
    rows = HourlyStatistics.objects.filter(hour__gte=clock.now() - _DAY)
    finished = GaugeMetricFamily(
        "mammoserve_finished_jobs_24h", "Jobs that ended in the last 24 hours", labels=["deployment", "package", "outcome"]
    )
    sums = rows.order_by().values("deployment_name", "package__name", "package__version")
    for row in sums.annotate(ok=Sum("succeeded"), bad=Sum("failed"), off=Sum("cancelled"), blank=Sum("not_assessable")):
        package = f"{row['package__name']} {row['package__version']}"
        ended = {"succeeded": row["ok"], "failed": row["bad"], "cancelled": row["off"], "not_assessable": row["blank"]}
        for outcome, count in ended.items():
            finished.add_metric([row["deployment_name"], package, outcome], count or 0)
    yield finished
    failures = GaugeMetricFamily("mammoserve_failures_24h", "Failed jobs of the last 24 hours by code", labels=["code"])
    latency = HistogramMetricFamily(
        "mammoserve_job_seconds_24h", "Seconds from start to end of jobs in the last 24 hours", labels=[]
    )
    codes: dict[str, int] = {}
    counted = []
    for tally, counts in rows.values_list("failures", "latency"):
        counted.append(counts)
        for code, count in tally.items():
            codes[code] = codes.get(code, 0) + count
    for code, count in sorted(codes.items()):
        failures.add_metric([code], count)
    yield failures
    total = counts_sum(counted)
    below, buckets = 0, []
    for index, edge in enumerate(SECONDS):
        below += total[index] if index < len(total) else 0
        buckets.append((str(float(edge)), below))
    buckets.append(("+Inf", sum(total)))
    latency.add_metric([], buckets, sum_value=None)
    yield latency


def _workers() -> Iterator[Metric]:
    alive = clock.now() - datetime.timedelta(seconds=settings.WORKER_SILENT_AFTER_SECONDS)
    up = GaugeMetricFamily("mammoserve_processes_alive", "Processes heard of lately, by kind", labels=["kind"])
    for kind, count in WorkerStatus.objects.filter(last_seen_at__gte=alive).order_by().values_list("kind").annotate(n=Count("*")):
        up.add_metric([kind], count)
    yield up
    memory = GaugeMetricFamily("mammoserve_worker_resident_bytes", "Resident memory of a worker", labels=["worker"])
    busy = GaugeMetricFamily("mammoserve_worker_active_orders", "Orders a worker is at", labels=["worker"])
    loaded = GaugeMetricFamily("mammoserve_worker_loaded_packages", "Packages a worker holds", labels=["worker"])
    refused = GaugeMetricFamily("mammoserve_worker_refused_packages", "Packages a worker cannot serve", labels=["worker"])
    for row in WorkerStatus.objects.filter(kind=WORKER, last_seen_at__gte=alive).order_by("name")[:500]:
        memory.add_metric([row.name], row.resident_memory_bytes or 0)
        busy.add_metric([row.name], row.active)
        loaded.add_metric([row.name], len(row.loaded_packages))
        refused.add_metric([row.name], len(row.refused_packages))
    yield from (memory, busy, loaded, refused)
