"""`manage.py install_package FOLDER [--activate NAME --reason TEXT]`: verify, store and optionally serve a model package.

A worker is asked to validate it, unless one has; only what passed is activated. `manage.py catalog upload` waits for the verdict.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.check_orders import validation_request
from catalog.deployments import deployment_activate
from catalog.management.chosen import site_named
from catalog.models import CheckState
from catalog.packages import package_install
from inference_worker.contract.failures import CodedError


class Command(BaseCommand):
    help = "Install a model package from a folder; its digest goes to standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder")
        parser.add_argument("--activate", metavar="NAME", help="point this deployment at the package")
        parser.add_argument("--site", metavar="SLUG", help="only for this site (default: for every site)")
        parser.add_argument("--without-validation", action="store_true", help="ask no worker, so it cannot be activated")
        parser.add_argument("--reason", default="", help="why, for the deployment's history; needed with --activate")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["activate"] and not options["reason"].strip():
            raise CommandError("--activate needs --reason: the history says why.")
        site = site_named(options["site"])
        try:
            package = package_install(folder=options["folder"])
            if package.validation_state != CheckState.PASSED and not options["without_validation"]:
                validation_request(package=package, requested_by=None)
            if options["activate"]:
                deployment_activate(
                    name=options["activate"], site=site, package=package, changed_by=None, reason=options["reason"].strip()
                )
        except CodedError as error:
            raise CommandError(f"{error.failure.title} ({error.code}): {error.detail}. {error.failure.action}") from error
        self.stdout.write(package.digest)
