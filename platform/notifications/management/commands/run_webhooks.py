"""`manage.py run_webhooks`: deliver webhooks, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from notifications.delivery_loop import DeliveryLoop

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Deliver what waits for the sites' webhook endpoints. Any number may run."
    requires_system_checks = []  # migrate runs them, once: they load every page and take longer than this process to start

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        logger.info("webhooks ready")
        DeliveryLoop(stop=stop).run()
        logger.info("webhooks stopped")
