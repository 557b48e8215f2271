"""Write side of sites, users and tokens. Reading them is accounts.selectors' concern."""

from __future__ import annotations

import datetime

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.authentication import token_hash, token_new
from accounts.models import ApiToken, Role, Site, User
from common import clock


def site_create(*, slug: str, name: str) -> Site:
    """A hospital with a pseudonym key of its own. Raises ValidationError for a slug that is taken or malformed."""
    site = Site(slug=slug, name=name)
    site.full_clean()
    site.save()
    return site


def user_create(*, site: Site | None, username: str, password: str | None, role: Role | str = Role.READER) -> User:
    """A person at a site. Without a password the user cannot sign in, only own tokens. Raises ValidationError."""
    user = User(site=site, username=username, role=role)
    if password is None:
        user.set_unusable_password()
    else:
        validate_password(password, user)
        user.set_password(password)
    user.full_clean(exclude=["password"])
    user.save()
    return user


def token_issue(
    *, user: User, name: str, expires_at: datetime.datetime | None = None, read_only: bool = False
) -> tuple[ApiToken, str]:
    """A new token of the user's site, and its plain text, which exists nowhere else afterwards. Raises ValidationError."""
    if user.site is None:
        raise ValidationError("A user without a site has no tokens.")
    prefix, plain = token_new()
    token = ApiToken(
        site=user.site,
        user=user,
        name=name,
        prefix=prefix,
        token_hash=token_hash(plain),
        expires_at=expires_at,
        read_only=read_only,
    )
    token.full_clean()
    token.save()
    return token, plain


@transaction.atomic
def token_revoke(*, token: ApiToken) -> ApiToken:
    """Refuse the token from now on. Revoking twice keeps the first moment."""
    locked = ApiToken.objects.select_for_update().get(pk=token.pk)
    if locked.revoked_at is None:
        locked.revoked_at = clock.now()
        locked.save(update_fields=["revoked_at"])
    return locked
