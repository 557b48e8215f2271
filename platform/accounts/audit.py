"""The audit history: one row for each change, written in the transaction that makes it. Reads nothing, decides nothing."""

from __future__ import annotations

from typing import Any

from accounts.models import AuditEntry, Site, User


def audit_record(*, actor: User | None, action: str, subject: str, site: Site | None = None, **detail: Any) -> AuditEntry:
    """Write down who did what to which object. `actor` None: the platform itself. `detail` must be JSON and hold no secret."""
    return AuditEntry.objects.create(
        actor=actor, site=site or (actor.site if actor else None), action=action, subject=subject[:200], detail=detail
    )
