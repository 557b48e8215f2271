"""`manage.py failure_guide`: every failure code with its meaning and what to do, as Markdown, out of the one catalogue.

`make fix` writes it to platform/docs/failures.md; a test fails while the two differ.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from common.problems import transport_words
from inference_worker.contract.failures import CATALOGUE, Failure, Responsibility

_WHO = {
    Responsibility.INPUT: ("input: the sender must act", "Something about what was sent."),
    Responsibility.MODEL: ("model: the administrator must act", "Something about a model package or a deployment."),
    Responsibility.SYSTEM: ("system: the operator must act", "Something about the platform itself; sending again may help."),
}


def failure_guide() -> str:
    """The whole page."""
    lines = [
        "# Failure codes",
        "",
        "<!-- Made from the catalogue by `manage.py failure_guide`; do not edit. -->",
        "",
        "Codes are stable, words may change. “Again” says whether the same input may succeed later. The same list as JSON:",
        "`GET /api/v1/failures`.",
    ]
    for responsibility, (title, words) in _WHO.items():
        lines += ["", f"## {title}", "", words, "", "| Code | Meaning | What to do | Again |", "|---|---|---|---|"]
        lines += [_row(failure) for failure in CATALOGUE.values() if failure.responsibility is responsibility]
    lines += [
        "",
        "## auth, request: about the request itself",
        "",
        "| Status | Code | Meaning | What to do |",
        "|---|---|---|---|",
    ]
    lines += [f"| {status} | `{code}` | {detail} | {action} |" for status, code, detail, action in transport_words()]
    return "\n".join(lines) + "\n"


def _row(failure: Failure) -> str:
    return f"| `{failure.code}` | {failure.message} | {failure.action} | {'yes' if failure.retryable else 'no'} |"


class Command(BaseCommand):
    help = "Print every failure code with its meaning and what to do, as Markdown."

    def handle(self, *arguments: Any, **options: Any) -> None:
        self.stdout.write(failure_guide(), ending="")
