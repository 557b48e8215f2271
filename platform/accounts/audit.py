"""The audit history: a row for each change, written in the transaction that makes it; administrators read it. Decides nothing."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Q, QuerySet

from accounts.audit_names import EntryNames, names_of
from accounts.models import AuditEntry, Site, User
from common.spreadsheets import csv_lines

COLUMNS = ("id", "at", "actor", "site", "action", "subject", "detail", "subject_name")
_CHUNK = 500


def audit_record(*, actor: User | None, action: str, subject: str, site: Site | None = None, **detail: Any) -> AuditEntry:
    """Write down who did what to which object. `actor` None: the platform itself. `detail` must be JSON and hold no secret."""
    return AuditEntry.objects.create(
        actor=actor, site=site or (actor.site if actor else None), action=action, subject=subject[:200], detail=detail
    )


def audit_visible_to(
    *, user: User, action: str = "", actor: str = "", since: datetime.datetime | None = None
) -> QuerySet[AuditEntry]:
    """Entries of the user's site and of the platform itself, newest first; all of them for a platform administrator.

    `action` and `actor` (a sign-in name) match whole; empty: any.
    """
    rows = AuditEntry.objects.select_related("actor", "site").order_by("-at", "-id")
    if not user.is_superuser:
        rows = rows.filter(Q(site=user.site) | Q(site=None))
    if action:
        rows = rows.filter(action=action)
    if actor:
        rows = rows.filter(actor__username=actor)
    if since is not None:
        rows = rows.filter(at__gte=since)
    return rows


def audit_csv(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """A header and one line for each entry, UTF-8 text. Cells that a spreadsheet would run are made harmless."""
    return csv_lines(COLUMNS, _rows(entries))


def _rows(entries: Iterable[AuditEntry]) -> Iterator[list[object]]:
    left = iter(entries)
    while some := list(itertools.islice(left, _CHUNK)):
        for entry, names in zip(some, names_of(some), strict=True):
            yield _cells(entry, names)


def _cells(entry: AuditEntry, names: EntryNames) -> list[object]:
    return [
        entry.pk,
        entry.at.isoformat(),
        entry.actor.username if entry.actor else "the platform",
        entry.site.slug if entry.site else "",
        entry.action,
        entry.subject,
        json.dumps(entry.detail, sort_keys=True) if entry.detail else "",
        names.subject,
    ]
