"""Waiting at a command line for what a worker finds of a package."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.core.management.base import CommandError

from catalog.models import CheckState, PackageCheck

#: Exit statuses of commands that wait, and how often they look.
FAILED, NOT_OVER = 3, 4
LOOK_SECONDS = 0.5
_OVER = (CheckState.PASSED, CheckState.FAILED)


def verdict_wait(check: PackageCheck, *, deadline: float, say: Callable[[str], object] = lambda words: None) -> None:
    """Until the check is over; `say` hears each of its states once. `deadline` in seconds of time.monotonic.

    Raises CommandError NOT_OVER past it.
    """
    said = ""
    while check.state not in _OVER:
        if check.state != said:
            said = check.state
            say(f"validation {said.lower()} …")
        if time.monotonic() > deadline:
            raise CommandError(f"The validation {check.pk} is still {check.state}; is a worker up?", returncode=NOT_OVER)
        time.sleep(LOOK_SECONDS)
        check.refresh_from_db()


def verdict_heed(check: PackageCheck) -> None:
    """Raises CommandError FAILED for a package that did not pass."""
    if check.state == CheckState.FAILED:
        raise CommandError(f"{check.failure_code}: {check.failure_detail}", returncode=FAILED)
