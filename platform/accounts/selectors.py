"""Read side of sites, users and tokens."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import ApiToken, Site, User


def site_by_slug(*, slug: str) -> Site | None:
    return Site.objects.filter(slug=slug).first()


def user_by_name(*, site: Site, username: str) -> User | None:
    """A user of this site only."""
    return User.objects.filter(site=site, username=username).first()


def tokens_visible_to(*, user: User) -> QuerySet[ApiToken]:
    """Every token of the user's site, newest first."""
    return ApiToken.objects.filter(site=user.site, site__isnull=False).select_related("user").order_by("-created_at")
