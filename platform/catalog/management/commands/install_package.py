"""`manage.py install_package FOLDER [--activate NAME --reason TEXT]`: verify, store and optionally serve a model package."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.selectors import site_by_slug
from catalog.deployments import deployment_activate
from catalog.packages import package_install
from inference_worker.contract.failures import CodedError


class Command(BaseCommand):
    help = "Install a model package from a folder; its digest goes to standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder")
        parser.add_argument("--activate", metavar="NAME", help="point this deployment at the package")
        parser.add_argument("--site", metavar="SLUG", help="only for this site (default: for every site)")
        parser.add_argument("--reason", default="", help="why, for the deployment's history; needed with --activate")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["activate"] and not options["reason"].strip():
            raise CommandError("--activate needs --reason: the history says why.")
        site = None
        if options["site"]:
            site = site_by_slug(slug=options["site"])
            if site is None:
                raise CommandError(f"There is no site {options['site']!r}.")
        try:
            package = package_install(folder=options["folder"])
            if options["activate"]:
                deployment_activate(
                    name=options["activate"], site=site, package=package, changed_by=None, reason=options["reason"].strip()
                )
        except CodedError as error:
            raise CommandError(f"{error.failure.title} ({error.code}): {error.detail}. {error.failure.action}") from error
        self.stdout.write(package.digest)
