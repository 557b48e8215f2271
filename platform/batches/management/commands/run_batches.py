"""`manage.py run_batches`: takes the items of batches in and carries batches to their end, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from batches.loop import BatchLoop

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Take in the items of batches and carry batches to their end. Any number may run."
    requires_system_checks = []  # migrate runs them, once: they load every page and take longer than this process to start

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        logger.info("batches ready")
        BatchLoop(stop=stop).run()
        logger.info("batches stopped")
