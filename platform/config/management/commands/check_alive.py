"""`manage.py check_alive KIND`, a container's health check: status 0 while this host's loop of that kind writes its heartbeat.

"Up" is not enough: a process that hangs is up. The heartbeat row is written by the loop itself, after it did its work.
"""

from __future__ import annotations

import datetime
import socket
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from jobs.models import WorkerStatus


class Command(BaseCommand):
    help = "Status 0 while the ledger, dispatcher, batches or webhook process of this host is at work, else 1 and the reason."
    requires_system_checks = []  # run every few seconds

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", choices=["ledger", "dispatcher", "batches", "webhooks"])

    def handle(self, *args: Any, **options: Any) -> None:
        newest = (
            WorkerStatus.objects.filter(kind=options["kind"], name__contains=socket.gethostname())
            .order_by("-last_seen_at")
            .first()
        )
        if newest is None:
            raise CommandError(f"no {options['kind']} of this host has reported yet")
        age = timezone.now() - newest.last_seen_at
        if age > datetime.timedelta(seconds=settings.WORKER_SILENT_AFTER_SECONDS):
            raise CommandError(f"{newest.name} has been silent for {age.total_seconds():.0f} s")
        self.stdout.write(f"{newest.name} reported {age.total_seconds():.0f} s ago")
