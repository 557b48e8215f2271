"""`manage.py webhook add|list|rotate|test|replay`: webhooks for operators, with exit codes and --json.

Runs with the rights of the machine it runs on; the audit history names the platform itself.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from accounts.models import Site
from accounts.selectors import site_by_slug
from common import clock
from inference_worker.contract.failures import CodedError
from notifications.api.documents import endpoint_document
from notifications.deliveries import delivery_replay, range_replay
from notifications.endpoints import endpoint_create, endpoint_test, secret_rotate
from notifications.models import WebhookDelivery, WebhookEndpoint
from notifications.selectors import endpoints_everywhere


class Command(BaseCommand):
    help = "Set up, list, rotate, test and replay webhooks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="set up a webhook; prints its secret, once")
        add.add_argument("url")
        add.add_argument("--site", required=True, help="slug of the site")
        add.add_argument("--event", action="append", default=[], metavar="TYPE", help="may be repeated; none: every type")
        add.add_argument("--description", default="")
        listed = actions.add_parser("list", help="webhooks and how they fare")
        listed.add_argument("--site", help="slug of one site")
        for name, words in (("rotate", "make a new secret; prints it, once"), ("test", "send a webhook.ping")):
            actions.add_parser(name, help=words).add_argument("webhook", type=UUID)
        replay = actions.add_parser("replay", help="send a delivery again, or a span of time")
        replay.add_argument("webhook", type=UUID, nargs="?")
        replay.add_argument("--delivery", type=UUID, help="this one alone")
        replay.add_argument("--since", help="ISO 8601 moment with its offset")
        replay.add_argument("--until", help="ISO 8601 moment with its offset; default: now")
        replay.add_argument("--all", action="store_true", help="also what was delivered")
        for action in actions.choices.values():
            action.add_argument("--json", action="store_true", help="for machines")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except CodedError as error:
            words = f"{error.failure.title} ({error.code}): {error.failure.message} {error.failure.action}"
            raise CommandError(f"{words} [{error.detail}]" if error.detail else words) from error

    def _add(self, options: dict[str, Any]) -> None:
        endpoint, secret = endpoint_create(
            site=_site(options["site"]),
            url=options["url"],
            created_by=None,
            description=options["description"][:200],
            event_types=options["event"],
        )
        self._say(options, {"id": str(endpoint.pk), "secret": secret}, f"{endpoint.pk}\n{secret}")

    def _list(self, options: dict[str, Any]) -> None:
        rows = endpoints_everywhere()
        if options["site"]:
            rows = rows.filter(site=_site(options["site"]))
        for row in rows:
            document = {"site": row.site.slug, **endpoint_document(row)}
            state = "on" if row.is_active else f"off {row.disabled_reason}".strip()
            counts = f"{document['deliveries_pending']} waiting, {document['deliveries_failed']} failed"
            self._say(options, document, f"{row.pk}  {row.site.slug:<16} {state:<12} {counts:<24} {row.url}")

    def _rotate(self, options: dict[str, Any]) -> None:
        endpoint, secret = secret_rotate(endpoint=_endpoint(options["webhook"]), rotated_by=None)
        self._say(options, {"id": str(endpoint.pk), "secret": secret}, secret)

    def _test(self, options: dict[str, Any]) -> None:
        delivery = endpoint_test(endpoint=_endpoint(options["webhook"]), tested_by=None)
        self._say(options, {"delivery": str(delivery.pk)}, f"webhook.ping is on its way: delivery {delivery.pk}")

    def _replay(self, options: dict[str, Any]) -> None:
        if options["delivery"]:
            row = WebhookDelivery.objects.select_related("endpoint", "event").filter(pk=options["delivery"]).first()
            if row is None:
                raise CommandError("There is no such delivery.")
            again = delivery_replay(delivery=row, requested_by=None)
            self._say(options, {"delivery": str(again.pk)}, f"on its way: delivery {again.pk}")
            return
        if not options["webhook"] or not options["since"]:
            raise CommandError("Give either --delivery, or a webhook and --since.")
        count = range_replay(
            endpoint=_endpoint(options["webhook"]),
            since=_moment(options["since"]),
            until=_moment(options["until"]) if options["until"] else clock.now(),
            requested_by=None,
            undelivered_only=not options["all"],
        )
        self._say(options, {"events": count}, f"{count} events are on their way again")

    def _say(self, options: dict[str, Any], document: dict[str, Any], line: str) -> None:
        self.stdout.write(json.dumps(document) if options["json"] else line)


def _site(slug: str) -> Site:
    site = site_by_slug(slug=slug)
    if site is None:
        raise CommandError(f"There is no site “{slug}”.")
    return site


def _endpoint(key: UUID) -> WebhookEndpoint:
    endpoint = endpoints_everywhere().filter(pk=key).first()
    if endpoint is None:
        raise CommandError("There is no such webhook.")
    return endpoint


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CommandError(f"“{text}” is no moment with an offset, such as 2030-01-31T08:00:00+01:00.")
    return moment
