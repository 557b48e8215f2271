"""How a candidate agrees with the package in service: pairs of results for a shadow, two populations for a canary.

Reads results; changes nothing. Figures are plain statistics of at most PAIRS_MAXIMUM newest jobs, computed when asked for.
"""

from __future__ import annotations

import datetime
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from accounts.models import Site
from catalog.models import CandidateMode, Deployment, ModelPackage
from inference_worker.contract.results import Assessment
from jobs.models import Job, JobPurpose, JobStatus

PAIRS_MAXIMUM = 5000
DISAGREEMENTS_SHOWN = 50
_EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
_Z = 1.959964  # 95 %


@dataclass(frozen=True, slots=True)
class Pair:
    """One study under both packages. Suspicion is None where not assessable; a flag says whether it passes the own threshold."""

    origin: str
    candidate: str
    labels: tuple[str, str]
    assessed: tuple[bool, bool]
    suspicion: tuple[float | None, float | None]
    flags: tuple[bool | None, bool | None]

    @property
    def difference(self) -> float | None:
        left, right = self.suspicion
        return None if left is None or right is None else abs(left - right)


def agreement_report(
    *, deployment: Deployment, candidate: ModelPackage, mode: str, since: datetime.datetime | None, site: Site | None = None
) -> dict[str, Any]:
    """The report of API v1 for this candidate since a moment (default: all of it), over the jobs of one site or of all that the
    deployment serves. Labels are matched by name."""
    of = Q(deployment_name=deployment.name)
    if (only := deployment.site or site) is not None:
        of &= Q(site=only)
    pairs = _pairs(of, candidate, since) if mode == CandidateMode.SHADOW else []
    both = [pair for pair in pairs if all(pair.assessed)]
    same = sum(pair.labels[0] == pair.labels[1] for pair in both)
    labels = sorted({label for pair in both for label in pair.labels})
    differences = sorted(pair.difference for pair in both if pair.difference is not None)
    worst = sorted(pairs, key=_how_bad, reverse=True)[:DISAGREEMENTS_SHOWN]
    ours, theirs = _populations(of, deployment, candidate, mode, since)
    return {
        "candidate": candidate.pk,
        "mode": mode,
        "paired": mode == CandidateMode.SHADOW,
        "jobs_compared": len(pairs),
        "label_agreement": {"share": _share(same, len(both)), **_wilson(same, len(both))},
        "assessment_agreement": _share(sum(pair.assessed[0] == pair.assessed[1] for pair in pairs), len(pairs)),
        "labels": labels,
        "confusion": _confusion(both, labels),
        "probability_difference": _distribution(differences),
        "suspicion_correlation": _correlation(both),
        "threshold_flips": sum(pair.flags[0] != pair.flags[1] for pair in both),
        "latency": {"primary": _latency(ours), "candidate": _latency(theirs)},
        "failures": {"primary": _failures(ours), "candidate": _failures(theirs)},
        "suspicion": {"primary": _suspicions(ours), "candidate": _suspicions(theirs)},
        "disagreements": [_disagreement(pair) for pair in worst if _how_bad(pair) > (0, 0.0)],
    }


def _pairs(of: Q, candidate: ModelPackage, since: datetime.datetime | None) -> list[Pair]:
    rows = Job.objects.filter(
        of,
        purpose=JobPurpose.SHADOW,
        package=candidate,
        status=JobStatus.SUCCEEDED,
        origin__status=JobStatus.SUCCEEDED,
    )
    if since is not None:
        rows = rows.filter(finished_at__gte=since)
    shown = rows.select_related("result", "origin__result", "origin__package", "package").defer(
        "result__payload", "origin__result__payload"
    )
    return [_pair(row) for row in shown.order_by("-finished_at")[:PAIRS_MAXIMUM]]


def _pair(shadow: Job) -> Pair:
    origin = shadow.origin
    assert origin is not None
    ends = (origin, shadow)
    suspicion = (origin.result.suspicion, shadow.result.suspicion)
    flags = tuple(
        None if value is None else value > float(job.package.manifest["suspicion"]["threshold"])
        for job, value in zip(ends, suspicion, strict=True)
    )
    return Pair(
        origin=str(origin.pk),
        candidate=str(shadow.pk),
        labels=(origin.result.label, shadow.result.label),
        assessed=(origin.result.assessment == Assessment.ASSESSED, shadow.result.assessment == Assessment.ASSESSED),
        suspicion=suspicion,
        flags=(flags[0], flags[1]),
    )


def _populations(
    of: Q, deployment: Deployment, candidate: ModelPackage, mode: str, since: datetime.datetime | None
) -> tuple[list[Job], list[Job]]:
    """Finished jobs of the package in service and of the candidate, newest first."""
    purpose = JobPurpose.SHADOW if mode == CandidateMode.SHADOW else JobPurpose.CLINICAL
    start = since or deployment.candidate_since
    ended = Q(status__in=[JobStatus.SUCCEEDED, JobStatus.FAILED])
    rows = (
        Job.objects.filter(of, ended, study__is_sample=False)
        .select_related("result")
        .defer("result__payload")
        .order_by("-finished_at")
    )
    if start is not None:
        rows = rows.filter(finished_at__gte=start)
    ours = rows.filter(purpose=JobPurpose.CLINICAL, package_id=deployment.package_id)
    return list(ours[:PAIRS_MAXIMUM]), list(rows.filter(purpose=purpose, package=candidate)[:PAIRS_MAXIMUM])


# ── Statistics ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _wilson(successes: int, trials: int) -> dict[str, float | None]:
    """The 95 % interval of a share (Wilson 1927)."""
    if not trials:
        return {"low": None, "high": None}
    p, spread = successes / trials, _Z**2 / trials
    centre = p + spread / 2
    half = _Z * math.sqrt(p * (1 - p) / trials + spread / (4 * trials))
    return {"low": max(0.0, (centre - half) / (1 + spread)), "high": min(1.0, (centre + half) / (1 + spread))}


def _confusion(pairs: Sequence[Pair], labels: Sequence[str]) -> list[list[int]]:
    """Rows: the label in service; columns: the candidate's."""
    counts = Counter(pair.labels for pair in pairs)
    return [[counts[row, column] for column in labels] for row in labels]


def _distribution(values: Sequence[float]) -> dict[str, Any]:
    """Of sorted absolute differences of suspicion."""
    counts = [0] * (len(_EDGES) - 1)
    for value in values:
        counts[min(sum(value >= edge for edge in _EDGES[1:]), len(counts) - 1)] += 1
    return {
        "mean": statistics.fmean(values) if values else None,
        "median": percentile(values, 50),
        "p95": percentile(values, 95),
        "maximum": values[-1] if values else None,
        "histogram": {"edges": list(_EDGES), "counts": counts},
    }


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Linear between closest ranks, as NumPy's default."""
    if not ordered:
        return None
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _correlation(pairs: Sequence[Pair]) -> float | None:
    """Pearson's, of suspicion; None where one side does not vary."""
    values = [(left, right) for left, right in (pair.suspicion for pair in pairs) if left is not None and right is not None]
    left, right = [value[0] for value in values], [value[1] for value in values]
    if len(values) < 3 or len(set(left)) < 2 or len(set(right)) < 2:
        return None
    return statistics.correlation(left, right)


def _latency(jobs: Sequence[Job]) -> dict[str, float | None]:
    """Seconds from the start of the last attempt to its end."""
    seconds = sorted(
        (job.finished_at - job.started_at).total_seconds()
        for job in jobs
        if job.status == JobStatus.SUCCEEDED and job.started_at and job.finished_at
    )
    return {"median": percentile(seconds, 50), "p95": percentile(seconds, 95)}


def _failures(jobs: Sequence[Job]) -> dict[str, Any]:
    failed = Counter(job.failure_code for job in jobs if job.status == JobStatus.FAILED)
    return {"jobs": len(jobs), "failed": failed.total(), "codes": dict(failed.most_common())}


def _suspicions(jobs: Sequence[Job]) -> dict[str, Any]:
    """The distribution of suspicion in twenty bins of [0, 1]."""
    values = [job.result.suspicion for job in jobs if job.status == JobStatus.SUCCEEDED and job.result.suspicion is not None]
    counts = [0] * 20
    for value in values:
        counts[min(int(value * 20), 19)] += 1
    return {"mean": statistics.fmean(values) if values else None, "counts": counts}


def _how_bad(pair: Pair) -> tuple[int, float]:
    """A different assessment first, then a flipped threshold, then another label, then the difference of suspicion."""
    if pair.assessed[0] != pair.assessed[1]:
        return 3, 1.0
    difference = pair.difference or 0.0
    if pair.flags[0] != pair.flags[1]:
        return 2, difference
    return (1, difference) if pair.labels[0] != pair.labels[1] else (0, difference)


def _disagreement(pair: Pair) -> Mapping[str, Any]:
    sides = [
        {"label": pair.labels[index] or None, "assessed": pair.assessed[index], "suspicion": pair.suspicion[index]}
        for index in range(2)
    ]
    return {
        "origin": pair.origin,
        "candidate": pair.candidate,
        "left": sides[0],
        "right": sides[1],
        "flipped": pair.flags[0] != pair.flags[1],
    }
