"""Who is calling, for views whose permission classes have refused everyone else."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts.models import User
from common.problems import Problem


def caller(request: Request) -> User:
    """The authenticated user."""
    if not isinstance(request.user, User):
        raise Problem.for_status(401)
    return request.user


def platform_administrator_required(user: User) -> None:
    """What concerns every site is for administrators that `is_superuser` marks. Raises PermissionDenied."""
    if not user.is_superuser:
        raise PermissionDenied("only a platform administrator may change what concerns every site")
