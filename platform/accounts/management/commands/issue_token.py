"""`manage.py issue_token --site demo --name NAME [--user USER]`: print a new API token, and nothing else, on standard output."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Role
from accounts.selectors import site_by_slug, user_by_name
from accounts.services import token_issue, user_create


class Command(BaseCommand):
    """Without --user the token belongs to the site's own machine user, made on first use as a submitter."""

    help = "Print a new API token for a site. It is shown once; only its hash is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--site", required=True, help="slug of the site")
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument("--user", default=None, help="user of the site who answers for the token")

    def handle(self, *args: Any, **options: Any) -> None:
        site = site_by_slug(slug=options["site"])
        if site is None:
            raise CommandError(f"There is no site “{options['site']}”.")
        username = options["user"] or f"{site.slug}-machine"
        user = user_by_name(site=site, username=username)
        try:
            if user is None:
                if options["user"]:
                    raise CommandError(f"Site “{site.slug}” has no user “{username}”.")
                user = user_create(site=site, username=username, password=None, role=Role.SUBMITTER)
            _, plain = token_issue(user=user, name=options["name"])
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(plain)
