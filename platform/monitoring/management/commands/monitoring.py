"""`manage.py monitoring …`: how a deployment does and what stands, for operators and pipelines.

Exit status: 0, 1 for what is refused, 3 from `alerts` while one stands that nobody has acknowledged.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.management.chosen import site_named
from catalog.selectors import deployments_everywhere
from monitoring.models import Alert
from monitoring.watch import WINDOWS, deployment_series

STANDS = 3


class Command(BaseCommand):
    help = "Figures of a deployment over a window; alerts that stand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        figures = actions.add_parser("figures", help="volume, failures, latency, drift")
        figures.add_argument("name", help="the deployment, such as default")
        figures.add_argument("--site", metavar="SLUG", help="the site's own pointer (default: the one for every site)")
        figures.add_argument("--window", choices=list(WINDOWS), default="24h")
        actions.add_parser("alerts", help="alerts that stand")
        for action in actions.choices.values():
            action.add_argument("--json", action="store_true", help="for machines")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _figures(self, options: dict[str, Any]) -> None:
        deployment = deployments_everywhere().filter(name=options["name"], site=site_named(options["site"])).first()
        if deployment is None:
            raise CommandError(f"There is no deployment {options['name']!r} there.")
        series = deployment_series(deployment=deployment, window=options["window"])
        if options["json"]:
            self.stdout.write(json.dumps(series))
            return
        totals = series["totals"]
        self.stdout.write(f"{deployment.name}: {deployment.package}, the last {options['window']}")
        self.stdout.write(f"jobs {totals['jobs']}, failed {_percent(totals['failure_share'])}, ", ending="")
        self.stdout.write(f"not assessable {_percent(totals['not_assessable_share'])}")
        seconds = ", ".join(f"{name} {_seconds(value)}" for name, value in totals["latency"].items())
        self.stdout.write(f"latency {seconds}")
        for name, drift in series["drift"].items():
            psi = "–" if drift["psi"] is None else f"{drift['psi']:.3f}"
            self.stdout.write(f"drift of {name}: PSI {psi}, {drift['band']}, {drift['cases']} cases")

    def _alerts(self, options: dict[str, Any]) -> None:
        standing = list(Alert.objects.filter(resolved_at=None).select_related("acknowledged_by").order_by("-raised_at", "-pk"))
        for alert in standing:
            seen = alert.acknowledged_by.username if alert.acknowledged_by else None
            line = f"{alert.raised_at:%Y-%m-%d %H:%M} {alert.metric}: {alert.message}{f'  seen by {seen}' if seen else ''}"
            document = {"id": alert.pk, "metric": alert.metric, "message": alert.message, "acknowledged_by": seen}
            self.stdout.write(json.dumps(document) if options["json"] else line)
        unseen = sum(alert.acknowledged_at is None for alert in standing)
        if unseen:
            raise CommandError(f"{unseen} alerts stand that nobody has acknowledged.", returncode=STANDS)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"
