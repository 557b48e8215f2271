"""Rows that belong to no single room: answers kept for repeated requests."""

from __future__ import annotations

from django.db import models


class IdempotencyRecord(models.Model):
    """One Idempotency-Key of one caller: claimed while its request runs, then the answer, for a day.

    `digest` names caller and key and holds neither. `claim` is whoever runs the request now: who lost it may write no more.
    `body` is encrypted, because an answer may show a secret once.
    """

    digest = models.CharField(max_length=64, unique=True)
    fingerprint = models.CharField(max_length=64)
    claim = models.CharField(max_length=32)
    lease_until = models.DateTimeField()
    created_at = models.DateTimeField(db_index=True)
    #: Null while the request runs.
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    headers = models.JSONField(default=dict)
    body = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return f"{self.digest[:12]} {self.status or 'in progress'}"
