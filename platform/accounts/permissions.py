"""What a role may do. Which objects a caller sees is the selectors' concern: another site's object does not exist."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import ApiToken, Role
from common.problems import Problem

_RANK = {Role.READER.value: 0, Role.SUBMITTER.value: 1, Role.ADMINISTRATOR.value: 2}


class _HasRole(BasePermission):
    """A user of an active site whose role is at least `minimum`."""

    minimum: ClassVar[Role] = Role.READER

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        if not user.is_authenticated or user.site_id is None:
            return False
        token = request.auth if isinstance(request.auth, ApiToken) else None
        if token is None and user.must_change_password:
            raise Problem.for_status(
                403,
                code="auth:password_change_required",
                detail="Your password was given to you by an administrator.",
                action="Choose a password of your own: PUT /api/v1/session/password.",
            )
        if token is not None and token.read_only and request.method not in SAFE_METHODS:
            return False
        return _RANK.get(user.role, -1) >= _RANK[self.minimum.value]


class CanRead(_HasRole):
    """Readers and above: worklist, results."""

    minimum = Role.READER


class CanSubmit(_HasRole):
    """Submitters and above: send studies, cancel, retry."""

    minimum = Role.SUBMITTER


class CanAdminister(_HasRole):
    """Administrators: deployments, tokens."""

    minimum = Role.ADMINISTRATOR
