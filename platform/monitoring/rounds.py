"""What monitoring does in the dispatcher's rhythm. A failure here is logged and never keeps orders from going out."""

from __future__ import annotations

import logging
import time

from django.db import InterfaceError, OperationalError

from monitoring.alerts import alerts_judge
from monitoring.rollups import finished_count, statistics_drop

logger = logging.getLogger(__name__)

_JUDGED_EVERY_SECONDS = 60.0
_DROPPED_EVERY_SECONDS = 6 * 3600.0
_due = {"judge": 0.0, "drop": 0.0}


def monitoring_round() -> None:
    """Count what has finished; now and then judge and forget. Raises only when the database is away."""
    try:
        finished_count()
        now = time.monotonic()
        if now >= _due["judge"]:
            _due["judge"] = now + _JUDGED_EVERY_SECONDS
            alerts_judge()
        if now >= _due["drop"]:
            _due["drop"] = now + _DROPPED_EVERY_SECONDS
            statistics_drop()
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # The edge between watching and working: a figure that cannot be computed must not stop the queue.
        logger.exception("monitoring: a round failed; the next one comes in a few seconds")
