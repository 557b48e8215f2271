"""`manage.py up`: the whole product on one machine. The story is config.launcher's; this only reads the command line."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console

from config.launcher import Launcher, LaunchOptions


class Command(BaseCommand):
    help = (
        "Start everything on this machine: queue, web, ledger, dispatcher, worker; submit a synthetic study; stay until Ctrl-C."
    )
    requires_system_checks = []  # migrate runs them, once

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=int, default=int(os.environ.get("PORT") or 8000), help="web port (default: PORT, or 8000)"
        )
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument(
            "--demo", action="store_true", help="leave after the synthetic study's result: status 0, or 1 without one"
        )
        kind.add_argument("--without-study", action="store_true", help="submit no synthetic study")

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # a person reads this terminal, not a log of polls
        launch = LaunchOptions(
            data_dir=settings.DATA_DIR,
            port=options["port"],
            broker_url=os.environ.get("BROKER_URL", ""),
            demo_only=options["demo"],
            without_study=options["without_study"],
        )
        sys.exit(Launcher(options=launch, console=Console(highlight=False)).run())
