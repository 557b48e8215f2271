"""What administrators do to people, tokens and sites: each under a lock, each with its audit row. Who may ask: the API.

Nobody can take the last way in away: a site that has an active administrator keeps one, and so does the platform.
"""

from __future__ import annotations

import datetime
import secrets
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.db import transaction

from accounts.audit import audit_record
from accounts.models import ApiToken, Role, Site, User
from accounts.services import site_create, token_issue, token_revoke, user_create

SITE_FIELDS = (
    "name",
    "is_active",
    "share_weight",
    "max_queued_jobs",
    "max_studies_per_day",
    "max_storage_bytes",
    "max_submissions_per_minute",
    "max_submissions_per_minute_of_token",
)


class LastAdministrator(Exception):
    """The change would leave a site, or the platform, without an active administrator."""


def temporary_password() -> str:
    """Random, and good for one sign-in: its user must choose another."""
    return secrets.token_urlsafe(15)


@transaction.atomic
def user_add(*, site: Site, username: str, role: str, by: User) -> tuple[User, str]:
    """A new person and the temporary password, which is shown once. Raises ValidationError."""
    password = temporary_password()
    user = user_create(site=site, username=username, password=password, role=role)
    user.must_change_password = True
    user.save(update_fields=["must_change_password"])
    audit_record(actor=by, action="user.create", subject=str(user.pk), site=site, role=role)
    return user, password


@transaction.atomic
def user_change(*, user: User, by: User, role: str | None = None, is_active: bool | None = None) -> User:
    """Change role or access. Raises LastAdministrator."""
    locked = _locked_with_administrators(user)
    before = {"role": locked.role, "is_active": locked.is_active}
    locked.role = role if role is not None else locked.role
    locked.is_active = is_active if is_active is not None else locked.is_active
    after = {"role": locked.role, "is_active": locked.is_active}
    if before == after:
        return locked
    locked.save(update_fields=["role", "is_active"])
    _administrators_remain(locked, before)
    audit_record(actor=by, action="user.change", subject=str(locked.pk), site=locked.site, before=before, after=after)
    return locked


def _locked_with_administrators(user: User) -> User:
    """The user, with every administrator of the site and of the platform locked: two cannot remove each other at once."""
    concerned = User.objects.select_for_update().filter(site=user.site).order_by("pk")
    list(concerned.filter(role=Role.ADMINISTRATOR))
    list(User.objects.select_for_update().filter(is_superuser=True).order_by("pk"))
    return User.objects.select_for_update().get(pk=user.pk)


def _administrators_remain(user: User, before: dict[str, Any]) -> None:
    was = before["role"] == Role.ADMINISTRATOR and before["is_active"]
    if not was:
        return
    active = User.objects.filter(is_active=True, role=Role.ADMINISTRATOR)
    if not active.filter(site=user.site).exists():
        raise LastAdministrator
    if user.is_superuser and not active.filter(is_superuser=True).exists():
        raise LastAdministrator


@transaction.atomic
def password_reset(*, user: User, by: User) -> str:
    """A new temporary password, shown once; sessions of the old one end."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    password = temporary_password()
    locked.set_password(password)
    locked.must_change_password = True
    locked.save(update_fields=["password", "must_change_password"])
    audit_record(actor=by, action="user.reset_password", subject=str(locked.pk), site=locked.site)
    return password


@transaction.atomic
def password_change(*, user: User, password: str) -> User:
    """The person's own choice. Raises ValidationError for a weak one."""
    locked = User.objects.select_for_update().get(pk=user.pk)
    validate_password(password, locked)
    locked.set_password(password)
    locked.must_change_password = False
    locked.save(update_fields=["password", "must_change_password"])
    audit_record(actor=locked, action="user.change_password", subject=str(locked.pk))
    return locked


@transaction.atomic
def token_add(
    *, user: User, name: str, by: User, expires_at: datetime.datetime | None = None, read_only: bool = False
) -> tuple[ApiToken, str]:
    """A token of the user and its plain text, which is shown once. Raises ValidationError."""
    token, plain = token_issue(user=user, name=name, expires_at=expires_at, read_only=read_only)
    audit_record(actor=by, action="token.create", subject=token.prefix, site=token.site, user=user.pk, read_only=read_only)
    return token, plain


@transaction.atomic
def token_withdraw(*, token: ApiToken, by: User) -> ApiToken:
    """Revoke; a second time changes nothing and leaves no second trace."""
    was_active = token.revoked_at is None
    revoked = token_revoke(token=token)
    if was_active:
        audit_record(actor=by, action="token.revoke", subject=token.prefix, site=token.site)
    return revoked


@transaction.atomic
def site_add(*, slug: str, name: str, by: User) -> Site:
    """A new hospital. Raises ValidationError."""
    site = site_create(slug=slug, name=name)
    audit_record(actor=by, action="site.create", subject=slug, site=site)
    return site


@transaction.atomic
def site_change(*, site: Site, by: User, **changes: Any) -> Site:
    """Change what SITE_FIELDS names. Raises ValidationError, and LastAdministrator for closing the caller's own site."""
    locked = Site.objects.select_for_update().get(pk=site.pk)
    if changes.get("is_active") is False and by.site_id == locked.pk:
        raise LastAdministrator
    before = {name: getattr(locked, name) for name in changes}
    for name, value in changes.items():
        setattr(locked, name, value)
    locked.full_clean()
    locked.save(update_fields=list(changes))
    if before != changes:
        audit_record(actor=by, action="site.change", subject=locked.slug, site=locked, before=before, after=changes)
    return locked
