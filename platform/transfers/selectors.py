"""Read side of transfers: which uploads a caller may see. It never saves."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet

from accounts.models import Site, User
from transfers.models import Upload


def uploads_visible_to(*, user: User) -> QuerySet[Upload]:
    """Uploads of the caller's site."""
    return Upload.objects.filter(site_id=user.site_id) if user.site_id else Upload.objects.none()


def uploads_of_batch(*, site: Site, batch_id: uuid.UUID) -> QuerySet[Upload]:
    """Uploads that named this batch when they were created, in any state, oldest first."""
    return Upload.objects.filter(site=site, batch_id=batch_id).order_by("created_at", "id")
