"""The promotion history as a file to keep. Reads rows it is given; knows no HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from catalog.models import DeploymentChange
from common.spreadsheets import csv_lines

COLUMNS = (
    "id", "changed_at", "deployment", "site", "kind", "from_name", "from_version", "from_digest", "to_name", "to_version",
    "to_digest", "changed_by", "approved_by", "reason", "detail",
)  # fmt: skip


def history_csv(changes: Iterable[DeploymentChange]) -> Iterator[str]:
    """A header and one line for each change, UTF-8 text. Cells that a spreadsheet would run are made harmless."""
    return csv_lines(COLUMNS, map(_cells, changes))


def _cells(change: DeploymentChange) -> list[object]:
    previous = change.previous
    return [
        change.pk,
        change.changed_at.isoformat(),
        change.deployment.name,
        change.deployment.site.slug if change.deployment.site else "every site",
        change.kind,
        previous.name if previous else "",
        previous.version if previous else "",
        previous.pk if previous else "",
        change.package.name,
        change.package.version,
        change.package.pk,
        change.changed_by.username if change.changed_by else "the platform",
        change.approved_by.username if change.approved_by else "",
        change.reason,
        json.dumps(change.detail, sort_keys=True) if change.detail else "",
    ]
