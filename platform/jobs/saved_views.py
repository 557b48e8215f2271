"""Worklists that people come back to: filters and an order under a name. Each person has their own.

What the filters mean is the page's and the list's concern; here they are a small document that is kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import User
from inference_worker.contract.failures import CodedError
from jobs.models import SavedView

VIEWS_MAXIMUM = 50


def views_of(*, user: User) -> QuerySet[SavedView]:
    """In the order they were made."""
    return SavedView.objects.filter(user=user).order_by("created_at", "id")


@transaction.atomic
def view_create(*, user: User, name: str, query: Mapping[str, str], is_default: bool) -> SavedView:
    """Raises CodedError input:view_name_taken, input:too_many_views."""
    _own_locked(user)
    if views_of(user=user).count() >= VIEWS_MAXIMUM:
        raise CodedError("input:too_many_views", f"{VIEWS_MAXIMUM} at most")
    view = SavedView(user=user, name=name, query=dict(query), is_default=is_default)
    return _save(view)


@transaction.atomic
def view_change(
    *,
    user: User,
    view_id: uuid.UUID,
    name: str | None = None,
    query: Mapping[str, str] | None = None,
    is_default: bool | None = None,
) -> SavedView | None:
    """What is given of it anew; None where the person has no such view. Raises CodedError input:view_name_taken."""
    _own_locked(user)
    view = views_of(user=user).filter(pk=view_id).first()
    if view is None:
        return None
    if name is not None:
        view.name = name
    if query is not None:
        view.query = dict(query)
    if is_default is not None:
        view.is_default = is_default
    return _save(view)


def view_delete(*, user: User, view_id: uuid.UUID) -> bool:
    """Whether there was one."""
    return bool(views_of(user=user).filter(pk=view_id).delete()[0])


def _own_locked(user: User) -> None:
    """One change of a person's views at a time, so that the cap holds and there is one default."""
    User.objects.select_for_update().only("pk").get(pk=user.pk)


def _save(view: SavedView) -> SavedView:
    if view.is_default:
        SavedView.objects.filter(user=view.user, is_default=True).exclude(pk=view.pk).update(is_default=False)
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError as error:
        raise CodedError("input:view_name_taken", "name") from error
    return view
