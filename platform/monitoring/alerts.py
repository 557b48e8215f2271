"""Conditions that somebody should look at: raised once, ended by themselves, acknowledged by a person.

A condition that has been raised ends only when its figure has fallen well below the threshold, so that it does not flicker.
"""

from __future__ import annotations

import datetime
import logging
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Min

from accounts.audit import audit_record
from accounts.models import User
from catalog.models import Deployment, DeploymentChange
from common import clock
from jobs.models import OutboxMessage
from monitoring.models import Alert
from monitoring.signals import alert_raised, alert_resolved
from monitoring.watch import deployment_figures

logger = logging.getLogger(__name__)

#: A condition ends below this share of its threshold.
_ENDS_BELOW = 0.8
_WINDOW = datetime.timedelta(hours=24)
_JOBS_MINIMUM = 20
_KEPT = datetime.timedelta(days=400)


def alert_raise(
    *,
    key: str,
    metric: str,
    message: str,
    value: float | None = None,
    threshold: float | None = None,
    deployment: Deployment | None = None,
) -> Alert | None:
    """Raise the alert unless it stands already; None then."""
    if Alert.objects.filter(key=key, resolved_at=None).exists():
        return None
    try:
        with transaction.atomic():
            alert = Alert.objects.create(
                key=key,
                metric=metric,
                message=message[:500],
                value=value,
                threshold=threshold,
                deployment_name=deployment.name if deployment else "",
                site=deployment.site if deployment else None,
                package=deployment.package if deployment else None,
                raised_at=clock.now(),
            )
            alert_raised.send(sender=Alert, alert=alert)
    except IntegrityError:
        return None  # another loop was quicker
    logger.warning("alert raised: %s", message)
    return alert


def alert_resolve(*, key: str) -> bool:
    """End the alert if it stands; whether this call did."""
    standing = Alert.objects.filter(key=key, resolved_at=None)
    if not standing.exists():  # the usual case, without a lock
        return False
    with transaction.atomic():
        alert = standing.select_for_update(of=("self",)).select_related("site").first()
        if alert is None:
            return False  # another loop was quicker
        alert.resolved_at = clock.now()
        alert.save(update_fields=["resolved_at"])
        alert_resolved.send(sender=Alert, alert=alert)
    return True


def alert_acknowledge(*, alert: Alert, acknowledged_by: User) -> Alert:
    """Somebody has seen it. The first to say so stays."""
    with transaction.atomic():
        row = Alert.objects.select_for_update().get(pk=alert.pk)
        if row.acknowledged_at is None:
            row.acknowledged_at, row.acknowledged_by = clock.now(), acknowledged_by
            row.save(update_fields=["acknowledged_at", "acknowledged_by"])
            audit_record(actor=acknowledged_by, action="alert.acknowledge", subject=row.key)
    return row


def rolled_back_alert(*, change: DeploymentChange) -> None:
    """A rule took a package out of service: always worth a look, and never resolved by a figure."""
    key = f"rolled_back:{change.pk}"
    alert_raise(key=key, metric="rolled_back", message=change.reason, deployment=change.deployment)


def alerts_judge() -> int:
    """Look at every deployment and at the queue; returns how many alerts were raised."""
    raised = _queue_judge()
    for deployment in Deployment.objects.select_related("package", "site"):
        raised += sum(_figure_judge(deployment, *figure) for figure in _figures(deployment))
    Alert.objects.filter(resolved_at__lt=clock.now() - _KEPT).delete()
    return raised


def _figures(deployment: Deployment) -> list[tuple[str, float | None, float, str]]:
    """(metric, value or None, threshold, the words for it) of the last day."""
    found = deployment_figures(deployment=deployment, since=clock.now() - _WINDOW)
    enough = found["jobs"] >= _JOBS_MINIMUM
    shares: list[tuple[str, Any, float, str]] = [
        ("failure_share", found["failure_share"], settings.ALERT_FAILURE_SHARE, "{value:.0%} of jobs failed"),
        ("latency_p95", found["latency"]["p95"], settings.ALERT_LATENCY_P95_SECONDS, "95 % of jobs took up to {value:.0f} s"),
        (
            "not_assessable_share",
            found["not_assessable_share"],
            settings.ALERT_NOT_ASSESSABLE_SHARE,
            "{value:.0%} of results are not assessable",
        ),
    ]
    drifts = [
        (f"drift_{name}", drift["psi"], settings.ALERT_DRIFT_PSI, f"the distribution of {name} has shifted: PSI {{value:.2f}}")
        for name, drift in found["drift"].items()
    ]
    return [(metric, value if enough else None, threshold, words) for metric, value, threshold, words in shares] + drifts


def _figure_judge(deployment: Deployment, metric: str, value: float | None, threshold: float, words: str) -> int:
    key = f"{metric}:{deployment.pk}"
    if threshold <= 0 or value is None or value < threshold * _ENDS_BELOW:
        alert_resolve(key=key)
        return 0
    if value < threshold:
        return 0
    where = f"{deployment.name} at {deployment.site.slug}" if deployment.site else deployment.name
    message = f"{where}: in the last 24 hours {words.format(value=value)} (alert from {threshold:g})."
    raised = alert_raise(key=key, metric=metric, message=message, value=value, threshold=threshold, deployment=deployment)
    return int(raised is not None)


def _queue_judge() -> int:
    """Whether the oldest order that may start has waited too long: no worker, or far too few."""
    threshold = settings.ALERT_QUEUE_WAIT_SECONDS
    now = clock.now()
    oldest = OutboxMessage.objects.filter(done=False, not_before__lte=now).aggregate(oldest=Min("not_before"))["oldest"]
    waited = (now - oldest).total_seconds() if oldest else 0.0
    if threshold <= 0 or waited < threshold * _ENDS_BELOW:
        alert_resolve(key="queue_wait")
        return 0
    if waited < threshold:
        return 0
    message = f"The oldest order has waited for {waited / 60:.0f} minutes. Look at the workers."
    return int(alert_raise(key="queue_wait", metric="queue_wait", message=message, value=waited, threshold=threshold) is not None)
