"""`manage.py deployment …`: the registry's pointers for operators and pipelines, with exit codes and --json.

Runs with the rights of the machine it runs on: changes name the user given with --as, or the platform itself. Approval by a
second person holds here too.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from accounts.models import Site
from catalog.api.documents import change_document, deployment_document, request_document
from catalog.history import history_csv
from catalog.management.chosen import package_chosen, person_named, site_named
from catalog.models import DeploymentRequest, RequestKind, RequestState
from catalog.requests import deployment_request, request_approve, request_reject, request_withdraw
from catalog.selectors import changes_everywhere, deployment_extras, deployments_everywhere
from inference_worker.contract.failures import CodedError


class Command(BaseCommand):
    help = (
        "List, show and change deployments: activate, rollback, candidate, rules, requests, approve, reject, withdraw, history."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="every pointer and what it serves")
        _named(actions.add_parser("show", help="one pointer in full"))
        activate = _changing(actions.add_parser("activate", help="put a package in service"))
        activate.add_argument("package", help="its digest, or name@version")
        activate.add_argument("--at", help="ISO 8601 moment; default: now")
        _changing(actions.add_parser("rollback", help="go back to the package before"))
        candidate = _changing(actions.add_parser("candidate", help="run a package beside the one in service"))
        candidate.add_argument("package", help="digest or name@version, or “none” to stop the one that runs")
        candidate.add_argument("--mode", choices=["shadow", "canary"], default="shadow")
        candidate.add_argument("--share", type=float, default=1.0, help="share of the submissions, above 0 and at most 1")
        rules = _changing(actions.add_parser("rules", help="when to roll back automatically"))
        rules.add_argument("rule", nargs="*", metavar="NAME=NUMBER", help="for example failure_share=0.05; none: no rules")
        requests = actions.add_parser("requests", help="what was asked for")
        requests.add_argument("--state", choices=RequestState.values)
        for decision in ("approve", "reject", "withdraw"):
            deciding = actions.add_parser(decision, help=f"{decision} a request")
            deciding.add_argument("request", type=UUID)
            deciding.add_argument("--as", dest="username", required=True, help="who decides")
            deciding.add_argument("--reason", default="")
        history = actions.add_parser("history", help="the whole promotion history")
        history.add_argument("--csv", action="store_true")
        for action in actions.choices.values():
            action.add_argument("--json", action="store_true", help="for machines")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except CodedError as error:
            words = f"{error.failure.title} ({error.code}): {error.failure.message} {error.failure.action}"
            raise CommandError(f"{words} [{error.detail}]" if error.detail else words) from error

    def _list(self, options: dict[str, Any]) -> None:
        for row in deployments_everywhere():
            line = f"{row.name:<24} {_where(row.site):<16} {row.package} {row.package_id}"
            candidate = f"  {row.candidate_mode} {row.candidate_share:.0%}: {row.candidate}" if row.candidate else ""
            self._say(options, {"name": row.name, "site": _slug(row.site), "package": row.package_id}, line + candidate)

    def _show(self, options: dict[str, Any]) -> None:
        row = deployments_everywhere().filter(name=options["name"], site=site_named(options["site"])).first()
        if row is None:
            raise CodedError("input:unknown_deployment")
        extras = deployment_extras(deployment=row)
        document = deployment_document(row, previous=extras.previous, pending=extras.pending, history=extras.history)
        self.stdout.write(json.dumps(document, indent=2))

    def _activate(self, options: dict[str, Any]) -> None:
        at = parse_datetime(options["at"]) if options["at"] else None
        if options["at"] and (at is None or at.tzinfo is None):
            raise CommandError("--at is a moment with its offset, such as 2026-03-01T02:00:00+01:00.")
        self._ask(options, RequestKind.ACTIVATE, package=package_chosen(options["package"]), apply_at=at)

    def _rollback(self, options: dict[str, Any]) -> None:
        self._ask(options, RequestKind.ROLLBACK)

    def _candidate(self, options: dict[str, Any]) -> None:
        if options["package"] == "none":
            self._ask(options, RequestKind.CANDIDATE_STOP)
            return
        package = package_chosen(options["package"])
        mode, share = options["mode"], options["share"]
        self._ask(options, RequestKind.CANDIDATE_START, package=package, candidate_mode=mode, candidate_share=share)

    def _rules(self, options: dict[str, Any]) -> None:
        rules: dict[str, Any] = {}
        for text in options["rule"]:
            name, _, number = text.partition("=")
            try:
                rules[name] = float(number)
            except ValueError:
                raise CommandError(f"{text!r} is not NAME=NUMBER.") from None
        self._ask(options, RequestKind.RULES, rules=rules)

    def _requests(self, options: dict[str, Any]) -> None:
        rows = DeploymentRequest.objects.select_related("site", "package", "requested_by", "decided_by").order_by("requested_at")
        for row in rows.filter(state=options["state"]) if options["state"] else rows:
            line = (
                f"{row.pk} {row.state:<9} {row.kind} {row.deployment_name} {_where(row.site)} {row.package or ''}  {row.reason}"
            )
            self._say(options, request_document(row), line)

    def _approve(self, options: dict[str, Any]) -> None:
        decided = request_approve(
            request_id=options["request"], approved_by=person_named(options["username"]), reason=options["reason"]
        )
        self._say(options, request_document(decided), decided.state)

    def _reject(self, options: dict[str, Any]) -> None:
        decided = request_reject(
            request_id=options["request"], rejected_by=person_named(options["username"]), reason=options["reason"]
        )
        self._say(options, request_document(decided), decided.state)

    def _withdraw(self, options: dict[str, Any]) -> None:
        decided = request_withdraw(
            request_id=options["request"], withdrawn_by=person_named(options["username"]), reason=options["reason"]
        )
        self._say(options, request_document(decided), decided.state)

    def _history(self, options: dict[str, Any]) -> None:
        rows = changes_everywhere()
        if options["csv"]:
            for text in history_csv(rows.iterator(500)):
                self.stdout.write(text, ending="")
            return
        for row in rows.iterator(500):
            who = row.changed_by.username if row.changed_by else "the platform"
            line = f"{row.changed_at:%Y-%m-%d %H:%M:%S} {row.deployment.name} {row.kind}: {row.previous or '–'} → {row.package}"
            self._say(options, change_document(row), f"{line}  {who}: {row.reason}")

    def _ask(self, options: dict[str, Any], kind: RequestKind, **more: Any) -> None:
        user = person_named(options["username"]) if options["username"] else None
        asked = deployment_request(
            kind=kind, name=options["name"], site=site_named(options["site"]), requested_by=user, reason=options["reason"], **more
        )
        words = {
            RequestState.APPLIED: "Done.",
            RequestState.PENDING: f"A second person must approve it: manage.py deployment approve {asked.pk} --as NAME",
            RequestState.SCHEDULED: f"Scheduled for {asked.apply_at}.",
        }
        self._say(options, request_document(asked), words[RequestState(asked.state)])

    def _say(self, options: dict[str, Any], document: dict[str, Any], line: str) -> None:
        self.stdout.write(json.dumps(document) if options["json"] else line)


def _named(parser: Any) -> Any:
    parser.add_argument("name", help="the deployment, such as default")
    parser.add_argument("--site", metavar="SLUG", help="the site's own pointer (default: the one for every site)")
    return parser


def _changing(parser: Any) -> Any:
    _named(parser)
    parser.add_argument("--reason", required=True, help="why; the history keeps it")
    parser.add_argument("--as", dest="username", help="the user who asks (default: the platform itself)")
    return parser


def _slug(site: Site | None) -> str | None:
    return site.slug if site else None


def _where(site: Site | None) -> str:
    return site.slug if site else "every site"
