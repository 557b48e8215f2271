"""How a deployment does: figures and series from the hourly counts. Reads; never saves."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.models import Site
from catalog.models import Deployment
from common import clock
from monitoring.histograms import (
    CASES_MINIMUM,
    counts_sum,
    population_stability_index,
    psi_band,
    seconds_percentile,
    tallies_add,
    tallies_aligned,
)
from monitoring.models import HourlyStatistics

#: window → (its length, the length of one point of the series)
WINDOWS: dict[str, tuple[datetime.timedelta, datetime.timedelta]] = {
    "1h": (datetime.timedelta(hours=1), datetime.timedelta(hours=1)),
    "24h": (datetime.timedelta(hours=24), datetime.timedelta(hours=1)),
    "7d": (datetime.timedelta(days=7), datetime.timedelta(hours=6)),
    "30d": (datetime.timedelta(days=30), datetime.timedelta(days=1)),
}
#: Where a package brings no reference of its own, its first results on the deployment are taken.
REFERENCE_CASES = 200


@dataclass(frozen=True, slots=True)
class Reference:
    """What distributions are held against, and where that comes from: “package” or “first_results”."""

    suspicion: list[int]
    brightness: list[int]
    manufacturer: dict[str, int]
    size: dict[str, int]
    source: str


def statistics_of(
    *, deployment: Deployment, since: datetime.datetime, site: Site | None = None, package_id: str | None = None
) -> QuerySet[HourlyStatistics]:
    """The hours of a deployment from a moment on: of its own site, of one site, or of all."""
    rows = HourlyStatistics.objects.filter(
        deployment_name=deployment.name, hour__gte=since.replace(minute=0, second=0, microsecond=0)
    )
    if (only := deployment.site or site) is not None:
        rows = rows.filter(site=only)
    if package_id is not None:
        rows = rows.filter(package_id=package_id)
    return rows.order_by("hour", "pk")


def deployment_figures(*, deployment: Deployment, since: datetime.datetime, site: Site | None = None) -> dict[str, Any]:
    """Volume, failures, latency, drift of the package in service since a moment."""
    rows = list(statistics_of(deployment=deployment, since=since, site=site, package_id=deployment.package_id))
    return {**_totals(rows), "drift": _drift(rows, reference_of(deployment=deployment, site=site))}


def deployment_series(*, deployment: Deployment, window: str, site: Site | None = None) -> dict[str, Any]:
    """Everything a page of one deployment shows for a window: totals, drift, and points in time, of all its packages."""
    length, step = WINDOWS[window]
    now = clock.now()
    rows = list(statistics_of(deployment=deployment, since=now - length, site=site))
    current = [row for row in rows if row.package_id == deployment.package_id]
    reference = reference_of(deployment=deployment, site=site)
    return {
        "deployment": deployment.name,
        "package": deployment.package_id,
        "window": window,
        "from": (now - length).isoformat(),
        "to": now.isoformat(),
        "step_seconds": int(step.total_seconds()),
        "totals": _totals(rows),
        "drift": _drift(current, reference),
        "reference": {
            "source": reference.source,
            "suspicion": reference.suspicion,
            "brightness": reference.brightness,
            "cases": sum(reference.suspicion),
        },
        "points": _points(rows, start=now - length, end=now, step=step),
        "packages": [{"package": package_id, **_totals(some)} for package_id, some in sorted(_by_package(rows).items())],
    }


def reference_of(*, deployment: Deployment, site: Site | None = None) -> Reference:
    """The package's own reference distribution, or its first results on this deployment."""
    declared = (deployment.package.manifest or {}).get("reference_distribution") or {}
    first: list[HourlyStatistics] = []
    cases = 0
    start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    for row in statistics_of(deployment=deployment, since=start, site=site, package_id=deployment.package_id)[:500]:
        if cases >= REFERENCE_CASES:
            break
        first.append(row)
        cases += sum(row.suspicion)
    own = list(declared.get("suspicion") or [])
    return Reference(
        suspicion=own or counts_sum(row.suspicion for row in first),
        brightness=counts_sum(row.inputs.get("brightness", []) for row in first),
        manufacturer=_tally(row.inputs.get("manufacturer", {}) for row in first),
        size=_tally(row.inputs.get("size", {}) for row in first),
        source="package" if own else "first_results",
    )


def _totals(rows: Sequence[HourlyStatistics]) -> dict[str, Any]:
    succeeded, failed = sum(row.succeeded for row in rows), sum(row.failed for row in rows)
    not_assessable = sum(row.not_assessable for row in rows)
    latency, waiting = counts_sum(row.latency for row in rows), counts_sum(row.waiting for row in rows)
    return {
        "jobs": succeeded + failed,
        "succeeded": succeeded,
        "failed": failed,
        "cancelled": sum(row.cancelled for row in rows),
        "failure_share": failed / (succeeded + failed) if succeeded + failed else None,
        "failures": _tally(row.failures for row in rows),
        "labels": _tally(row.labels for row in rows),
        "not_assessable_share": not_assessable / succeeded if succeeded else None,
        "latency": {f"p{percent}": seconds_percentile(latency, percent) for percent in (50, 95, 99)},
        "waiting": {f"p{percent}": seconds_percentile(waiting, percent) for percent in (50, 95, 99)},
        "suspicion": counts_sum(row.suspicion for row in rows),
    }


def _drift(rows: Sequence[HourlyStatistics], reference: Reference) -> dict[str, Any]:
    """PSI of suspicion, brightness, maker and size against the reference, with the counts behind it."""
    brightness = counts_sum(row.inputs.get("brightness", []) for row in rows)
    makers = tallies_aligned(reference.manufacturer, _tally(row.inputs.get("manufacturer", {}) for row in rows))
    sizes = tallies_aligned(reference.size, _tally(row.inputs.get("size", {}) for row in rows))
    pairs = {
        "suspicion": (reference.suspicion, counts_sum(row.suspicion for row in rows)),
        "brightness": (reference.brightness, brightness),
        "manufacturer": makers,
        "size": sizes,
    }
    return {name: _drift_of(expected, actual) for name, (expected, actual) in pairs.items()}


def _drift_of(expected: Sequence[int], actual: Sequence[int]) -> dict[str, Any]:
    psi = population_stability_index(expected, actual)
    return {"psi": psi, "band": psi_band(psi), "cases": sum(actual), "needed": CASES_MINIMUM}


def _points(
    rows: Sequence[HourlyStatistics], *, start: datetime.datetime, end: datetime.datetime, step: datetime.timedelta
) -> list[dict[str, Any]]:
    """One entry for each step, empty ones included, so that a gap is seen as a gap."""
    first = start.replace(minute=0, second=0, microsecond=0)
    held: dict[int, list[HourlyStatistics]] = defaultdict(list)
    for row in rows:
        held[int((row.hour - first) / step)].append(row)
    count = int((end - first) / step) + 1
    return [{"at": (first + index * step).isoformat(), **_totals(held[index])} for index in range(count)]


def _by_package(rows: Iterable[HourlyStatistics]) -> dict[str, list[HourlyStatistics]]:
    found: dict[str, list[HourlyStatistics]] = defaultdict(list)
    for row in rows:
        found[row.package_id].append(row)
    return found


def _tally(many: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for tally in many:
        total = tallies_add(total, tally)
    return total
