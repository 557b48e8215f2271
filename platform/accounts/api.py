"""The session address of the API: who is signed in, signing in, signing out. Tokens are issued by the command line only."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import AnonymousUser
from django.middleware.csrf import get_token
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import SessionAuthentication, csrf_enforce
from accounts.models import Role, User
from accounts.throttling import login_failed, login_guard, login_succeeded
from common.fields import StrictCharField
from common.problems import Problem

_WRONG = OpenApiResponse(OpenApiTypes.OBJECT, description="User name or password is wrong.")
_NO_CSRF = OpenApiResponse(OpenApiTypes.OBJECT, description="X-CSRFToken is missing or does not match the session's.")
_TOO_OFTEN = OpenApiResponse(OpenApiTypes.OBJECT, description="Too many failed sign-ins: wait as long as Retry-After says.")


class CredentialsSerializer(serializers.Serializer):
    """What a person types."""

    username = StrictCharField(max_length=150)
    password = StrictCharField(max_length=200, trim_whitespace=False, write_only=True)


class SessionUserSerializer(serializers.Serializer):
    """The person of the session."""

    username = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.choices)
    administers_every_site = serializers.BooleanField(help_text="May change what concerns every site.")


class SessionSiteSerializer(serializers.Serializer):
    """The person's hospital."""

    slug = serializers.CharField()
    name = serializers.CharField()


class LimitsSerializer(serializers.Serializer):
    """What one submission may hold."""

    max_file_bytes = serializers.IntegerField()
    max_files = serializers.IntegerField()


class SessionSerializer(serializers.Serializer):
    """Who is calling, and what a page needs before it asks anything else."""

    authenticated = serializers.BooleanField()
    user = SessionUserSerializer(required=False)
    site = SessionSiteSerializer(required=False)
    csrf_token = serializers.CharField()
    version = serializers.CharField()
    disclaimer = serializers.CharField()
    limits = LimitsSerializer()


def session_describe(request: Request, user: User | AnonymousUser) -> dict[str, Any]:
    """The session document; also sets the CSRF cookie, which the pages send back as X-CSRFToken."""
    document: dict[str, Any] = {
        "authenticated": bool(user.is_authenticated),
        "csrf_token": get_token(request._request),
        "version": settings.SOFTWARE_VERSION,
        "disclaimer": settings.DISCLAIMER,
        "limits": {"max_file_bytes": settings.INTAKE_MAX_FILE_BYTES, "max_files": settings.INTAKE_MAX_FILES},
    }
    if isinstance(user, User):
        every_site = user.role == Role.ADMINISTRATOR and user.is_superuser
        document["user"] = {"username": user.username, "role": user.role, "administers_every_site": every_site}
        if user.site is not None:
            document["site"] = {"slug": user.site.slug, "name": user.site.name}
    return document


class SessionView(APIView):
    """The browser's session. Signing in and out need the CSRF token like every other change."""

    idempotency_exempt = True
    authentication_classes = [SessionAuthentication]
    permission_classes = [AllowAny]

    @extend_schema(responses=SessionSerializer, summary="Who is signed in", tags=["session"])
    def get(self, request: Request) -> Response:
        return self._answer(request, request.user)

    @extend_schema(
        request=CredentialsSerializer,
        responses={200: SessionSerializer, 401: _WRONG, 403: _NO_CSRF, 429: _TOO_OFTEN},
        summary="Sign in",
        tags=["session"],
    )
    def post(self, request: Request) -> Response:
        csrf_enforce(request._request)
        given = CredentialsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        username = given.validated_data["username"]
        login_guard(request._request, username=username)
        user = authenticate(request._request, username=username, password=given.validated_data["password"])
        if not isinstance(user, User) or user.site is None or not user.site.is_active:
            login_failed(request._request, username=username)
            raise Problem.for_status(
                401, code="auth:invalid_credentials", detail="User name or password is wrong.", action="Check both and try again."
            )
        login_succeeded(request._request, username=username)
        login(request._request, user)
        return self._answer(request, user)

    @extend_schema(request=None, responses={204: None, 403: _NO_CSRF}, summary="Sign out", tags=["session"])
    def delete(self, request: Request) -> Response:
        csrf_enforce(request._request)
        logout(request._request)
        return Response(status=204)

    @staticmethod
    def _answer(request: Request, user: Any) -> Response:
        return Response(session_describe(request, user), headers={"Cache-Control": "no-store"})
