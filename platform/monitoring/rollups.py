"""Finished jobs into hourly counts, each once: a job carries the attempt at which it was counted, in the same transaction.

So nothing is lost when jobs finish late or out of order, and nothing is counted twice when two loops run. Clinical jobs only.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from common import clock
from inference_worker.contract.results import Assessment
from jobs.models import TERMINAL_STATUSES, Job, JobPurpose, JobStatus
from monitoring.histograms import (
    BRIGHTNESS_BINS,
    SECONDS,
    UNIT_BINS,
    counts_add,
    seconds_bin,
    stages_add,
    tallies_add,
    unit_bin,
)
from monitoring.models import HourlyStatistics, RecentStatistics

_CHUNK = 200
_CHUNKS_A_ROUND = 20
#: Longer side in pixels, upward.
_SIZES = (("below 1024", 1024), ("1024–2047", 2048), ("2048–3071", 3072), ("3072–4095", 4096))
_SECONDS = ("latency", "waiting", "turnaround")
_COUNTS = (*_SECONDS, "suspicion")
_OUTCOMES = ("succeeded", "failed", "cancelled")
_NUMBERS = (*_OUTCOMES, "not_assessable")
_RECENT = datetime.timedelta(minutes=5)
_RECENT_KEPT = datetime.timedelta(hours=26)
#: As the worker names them: what a job's run consists of.
_STAGES_MAXIMUM = 20


def finished_count() -> int:
    """Count what has finished since the last time, a bounded number of jobs; returns how many."""
    counted = 0
    for _ in range(_CHUNKS_A_ROUND):
        taken = _chunk_count()
        counted += taken
        if taken < _CHUNK:
            break
    return counted


def _chunk_count() -> int:
    with transaction.atomic():
        jobs = list(
            Job.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(status__in=TERMINAL_STATUSES, counted_attempt__lt=F("attempt"))
            .select_related("result", "study")
            .order_by("finished_at")[:_CHUNK]
        )
        added: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(_empty)
        recent: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(_empty)
        oldest = clock.now() - _RECENT_KEPT
        for job in jobs:
            if job.purpose == JobPurpose.CLINICAL and not job.study.is_sample and job.finished_at is not None:
                hour = job.finished_at.replace(minute=0, second=0, microsecond=0)
                _job_add(added[hour, job.deployment_name, job.package_id, job.site_id], job)
                if job.finished_at >= oldest:
                    _job_add(recent[recent_start(job.finished_at), job.site_id], job)
        for key in sorted(added, key=str):
            _row_add(key, added[key])
        for key in sorted(recent, key=str):
            _recent_add(key, recent[key])
        Job.objects.filter(pk__in=[job.pk for job in jobs]).update(counted_attempt=F("attempt"))
    return len(jobs)


def _empty() -> dict[str, Any]:
    return {
        **dict.fromkeys(_NUMBERS, 0),
        "failures": {},
        "labels": {},
        "stages": {},
        **{name: [0] * (len(SECONDS) + 1) for name in _SECONDS},
        "suspicion": [0] * UNIT_BINS,
        "inputs": {"brightness": [0] * BRIGHTNESS_BINS, "manufacturer": {}, "size": {}, "images": 0},
    }


def _job_add(into: dict[str, Any], job: Job) -> None:
    if job.status == JobStatus.CANCELLED:
        into["cancelled"] += 1
        return
    if job.status == JobStatus.FAILED:
        into["failed"] += 1
        into["failures"] = tallies_add(into["failures"], {job.failure_code or "unknown": 1})
        return
    into["succeeded"] += 1
    if job.finished_at and job.started_at:
        into["latency"][seconds_bin((job.finished_at - job.started_at).total_seconds())] += 1
        into["waiting"][seconds_bin((job.started_at - job.created_at).total_seconds())] += 1
        into["turnaround"][seconds_bin((job.finished_at - job.created_at).total_seconds())] += 1
    result = job.result
    _stages_add(into["stages"], result.payload.get("elapsed_seconds") or {})
    if result.assessment == Assessment.NOT_ASSESSABLE:
        into["not_assessable"] += 1
    if result.label:
        into["labels"] = tallies_add(into["labels"], {result.label: 1})
    if result.suspicion is not None:
        into["suspicion"][unit_bin(result.suspicion, UNIT_BINS)] += 1
    for image in result.payload.get("images", ()):
        _image_add(into["inputs"], image.get("input_statistics") or {})


def _stages_add(stages: dict[str, list[int]], elapsed: Mapping[str, Any]) -> None:
    """Seconds by stage, as the worker measured them; its own total is the latency."""
    for name, seconds in list(elapsed.items())[:_STAGES_MAXIMUM]:
        if name != "total" and isinstance(seconds, (int, float)):
            counts = stages.setdefault(str(name)[:32], [0] * (len(SECONDS) + 1))
            counts[seconds_bin(float(seconds))] += 1


def recent_start(moment: datetime.datetime) -> datetime.datetime:
    """The beginning of the five minutes that a moment lies in."""
    minutes = int(_RECENT.total_seconds() // 60)
    return moment.replace(minute=moment.minute - moment.minute % minutes, second=0, microsecond=0)


def _image_add(inputs: dict[str, Any], found: Mapping[str, Any]) -> None:
    if not found:
        return
    inputs["images"] += 1
    mean = found.get("brightness_mean")
    if isinstance(mean, (int, float)):
        inputs["brightness"][unit_bin(mean, BRIGHTNESS_BINS)] += 1
    inputs["manufacturer"] = tallies_add(inputs["manufacturer"], {str(found.get("manufacturer") or "not stated")[:32]: 1})
    longer = max(int(found.get("rows") or 0), int(found.get("columns") or 0))
    size = next((name for name, edge in _SIZES if longer < edge), "4096 and more")
    inputs["size"] = tallies_add(inputs["size"], {size: 1})


def _row_add(key: tuple[Any, ...], added: Mapping[str, Any]) -> None:
    hour, deployment_name, package_id, site_id = key
    names = {"hour": hour, "deployment_name": deployment_name, "package_id": package_id, "site_id": site_id}
    HourlyStatistics.objects.get_or_create(**names)
    row = HourlyStatistics.objects.select_for_update().get(**names)
    for name in _NUMBERS:
        setattr(row, name, getattr(row, name) + added[name])
    for name in _COUNTS:
        setattr(row, name, counts_add(getattr(row, name), added[name]))
    for name in ("failures", "labels"):
        setattr(row, name, tallies_add(getattr(row, name), added[name]))
    row.stages = stages_add(row.stages, added["stages"])
    old, new = row.inputs, added["inputs"]
    row.inputs = {
        "brightness": counts_add(old.get("brightness", []), new["brightness"]),
        "manufacturer": tallies_add(old.get("manufacturer", {}), new["manufacturer"]),
        "size": tallies_add(old.get("size", {}), new["size"]),
        "images": old.get("images", 0) + new["images"],
    }
    row.save()


def _recent_add(key: tuple[Any, ...], added: Mapping[str, Any]) -> None:
    at, site_id = key
    RecentStatistics.objects.get_or_create(at=at, site_id=site_id)
    row = RecentStatistics.objects.select_for_update().get(at=at, site_id=site_id)
    for name in _OUTCOMES:
        setattr(row, name, getattr(row, name) + added[name])
    for name in _SECONDS:
        setattr(row, name, counts_add(getattr(row, name), added[name]))
    row.failures = tallies_add(row.failures, added["failures"])
    row.stages = stages_add(row.stages, added["stages"])
    row.save()


def statistics_drop() -> int:
    """Forget hours beyond STATISTICS_KEPT_DAYS, and five minutes beyond a day; returns how many hours' rows."""
    RecentStatistics.objects.filter(at__lt=clock.now() - _RECENT_KEPT).delete()
    oldest = clock.now() - datetime.timedelta(days=settings.STATISTICS_KEPT_DAYS)
    dropped, _ = HourlyStatistics.objects.filter(hour__lt=oldest).delete()
    return dropped
