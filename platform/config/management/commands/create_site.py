"""`manage.py create_site SLUG --name NAME --administrator USERNAME`: a hospital and its first person, on a fresh installation."""

from __future__ import annotations

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.models import Role
from accounts.services import site_create, user_create


class Command(BaseCommand):
    """All or nothing. The password is made up here, because one given on the command line would stay in the shell's history."""

    help = "Make a site and its administrator; prints the administrator's new password, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="short name for addresses and commands, e.g. north")
        parser.add_argument("--name", required=True, help="the hospital's name")
        parser.add_argument("--administrator", required=True, metavar="USERNAME", help="who signs in first")

    def handle(self, *args: Any, **options: Any) -> None:
        password = secrets.token_urlsafe(12)
        try:
            with transaction.atomic():
                site = site_create(slug=options["slug"], name=options["name"])
                user_create(site=site, username=options["administrator"], password=password, role=Role.ADMINISTRATOR)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(password)
