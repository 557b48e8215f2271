"""What a command line names: a package, a user, a site. Raises CommandError, or CodedError where the catalogue has words."""

from __future__ import annotations

from django.core.management.base import CommandError

from accounts.models import Site, User
from accounts.selectors import site_by_slug
from catalog.models import ModelPackage
from inference_worker.contract.failures import CodedError


def package_chosen(text: str) -> ModelPackage:
    """A package by digest or name@version. Raises CodedError input:unknown_package; CommandError when several have that name."""
    name, at, version = text.partition("@")
    found = list(ModelPackage.objects.filter(name=name, version=version) if at else ModelPackage.objects.filter(pk=text))
    if len(found) > 1:
        raise CommandError(f"{text} is ambiguous: {', '.join(row.pk for row in found)}")
    if not found:
        raise CodedError("input:unknown_package", text)
    return found[0]


def person_named(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user {username!r}.")
    return user


def site_named(slug: str | None) -> Site | None:
    """The site; None for no name, which means every site."""
    if not slug:
        return None
    site = site_by_slug(slug=slug)
    if site is None:
        raise CommandError(f"There is no site {slug!r}.")
    return site
