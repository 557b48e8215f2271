"""`manage.py install_package FOLDER [--activate NAME --reason TEXT]`: verify, store and optionally serve a model package.

A worker is asked to validate it, unless one has. Only what passed is activated, so --activate waits for the worker's verdict.
Exit status: 0 done, 1 refused, 3 the validation failed, 4 it was not over in time; the same command then goes on where it was.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.check_orders import validation_request
from catalog.deployments import deployment_activate
from catalog.management.chosen import site_named
from catalog.management.verdicts import verdict_heed, verdict_wait
from catalog.models import CheckState
from catalog.packages import package_install
from inference_worker.contract.failures import CodedError


class Command(BaseCommand):
    help = "Install a model package from a folder; its digest goes to standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder")
        parser.add_argument(
            "--activate", metavar="NAME", help="point this deployment at the package, once a worker has proven it"
        )
        parser.add_argument("--site", metavar="SLUG", help="only for this site (default: for every site)")
        parser.add_argument("--without-validation", action="store_true", help="ask no worker, so it cannot be activated")
        parser.add_argument(
            "--wait", type=float, default=600.0, metavar="SECONDS", help="for the worker's verdict (default: 600)"
        )
        parser.add_argument("--reason", default="", help="why, for the deployment's history; needed with --activate")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["activate"] and not options["reason"].strip():
            raise CommandError("--activate needs --reason: the history says why.")
        site = site_named(options["site"])
        try:
            package = package_install(folder=options["folder"])
            if package.validation_state != CheckState.PASSED and not options["without_validation"]:
                check = validation_request(package=package, requested_by=None)
                if options["activate"]:
                    verdict_wait(check, deadline=time.monotonic() + options["wait"], say=self.stderr.write)
                    verdict_heed(check)
                    package.refresh_from_db()
            if options["activate"]:
                deployment_activate(
                    name=options["activate"], site=site, package=package, changed_by=None, reason=options["reason"].strip()
                )
        except CodedError as error:
            raise CommandError(f"{error.failure.title} ({error.code}): {error.detail}. {error.failure.action}") from error
        self.stdout.write(package.digest)
