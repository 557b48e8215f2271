"""The one place that asks what time it is, so that tests can say. It does not format times for people."""

from __future__ import annotations

import datetime

from django.utils import timezone


def now() -> datetime.datetime:
    """The current moment, aware, in UTC."""
    return timezone.now()
