"""What happened, by the hour, and what somebody should look at. Rows only: counting is monitoring.rollups', judging alerts'."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from accounts.models import Site
from catalog.models import ModelPackage


class HourlyStatistics(models.Model):
    """The clinical jobs of one hour, deployment, package and site, as counts: a page over a month reads a few hundred rows.

    `latency` (start to result), `waiting` (submission to start) and `turnaround` (submission to result) are counts by
    monitoring.histograms.SECONDS, `stages` such counts by the name of a stage; `suspicion` counts by twenty bins of [0, 1].
    `inputs` holds {"brightness": ten bins of [0, 1], "manufacturer": {name: n}, "size": {bucket: n}, "images": n}.
    """

    hour = models.DateTimeField()
    deployment_name = models.CharField(max_length=50)
    package = models.ForeignKey(ModelPackage, on_delete=models.CASCADE, related_name="+")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    not_assessable = models.PositiveIntegerField(default=0)
    failures = models.JSONField(default=dict)
    labels = models.JSONField(default=dict)
    latency = models.JSONField(default=list)
    waiting = models.JSONField(default=list)
    turnaround = models.JSONField(default=list)
    stages = models.JSONField(default=dict)
    suspicion = models.JSONField(default=list)
    inputs = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "deployment_name", "package", "site"], name="statistics_once_an_hour")
        ]
        indexes = [models.Index(fields=["deployment_name", "hour"], name="statistics_of_deployment")]

    def __str__(self) -> str:
        return f"{self.deployment_name} {self.hour:%Y-%m-%d %H}"


class RecentStatistics(models.Model):
    """The clinical jobs of five minutes and one site, as HourlyStatistics, kept for a day: what an hour is too coarse for."""

    at = models.DateTimeField()
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    failures = models.JSONField(default=dict)
    latency = models.JSONField(default=list)
    waiting = models.JSONField(default=list)
    turnaround = models.JSONField(default=list)
    stages = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["at", "site"], name="statistics_once_in_five_minutes")]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class Alert(models.Model):
    """A condition that somebody should look at, once while it lasts. `key` names the condition; `resolved_at` ends it."""

    key = models.CharField(max_length=200)
    metric = models.CharField(max_length=40)
    deployment_name = models.CharField(max_length=50, blank=True, default="")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    package = models.ForeignKey(ModelPackage, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    message = models.CharField(max_length=500)
    value = models.FloatField(null=True, blank=True)
    threshold = models.FloatField(null=True, blank=True)
    raised_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=models.Q(resolved_at=None), name="alert_once_while_it_lasts")
        ]
        indexes = [models.Index(fields=["-raised_at"], name="alert_newest")]

    def __str__(self) -> str:
        return self.key
