"""People, tokens, sites and the audit over HTTP. Administrators see their own site, platform administrators every site."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import admin_serializers as shapes
from accounts import administration
from accounts.callers import caller, platform_administrator_required
from accounts.models import ApiToken, Role, Site, User
from accounts.permissions import CanAdminister, CanRead
from accounts.throttling import login_failed, login_guard
from common.openapi import PROBLEM_CONFLICT
from common.pagination import CursorPagination
from common.problems import Problem
from inference_worker.contract.failures import CodedError

_TAGS = ["administration"]
_NO_STORE = {"Cache-Control": "no-store"}
GONE = OpenApiResponse(description="No such object at your site.")


def _given(serializer_class: type[serializers.BaseSerializer], request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _refused(error: ValidationError) -> serializers.ValidationError:
    return serializers.ValidationError(serializers.as_serializer_error(error))


def _last() -> Problem:
    return Problem.for_status(
        409,
        code="request:last_administrator",
        detail="Nobody could administer it any more.",
        action="Make somebody else an administrator first; another site's administrator must close a site.",
    )


class ByDateJoined(CursorPagination):
    ordering = ("-date_joined", "-id")


class ByTime(CursorPagination):
    ordering = ("-at", "-id")


def users_administered_by(user: User) -> QuerySet[User]:
    rows = User.objects.select_related("site")
    return rows if user.is_superuser else rows.filter(site=user.site)


def _site_named(user: User, slug: str | None) -> Site:
    if slug is None or (user.site is not None and slug == user.site.slug):
        assert user.site is not None
        return user.site
    platform_administrator_required(user)
    site = Site.objects.filter(slug=slug).first()
    if site is None:
        raise CodedError("input:invalid_field", "site: no site has this slug")
    return site


class UserListView(GenericAPIView):
    """The people of the site."""

    permission_classes = [CanAdminister]
    serializer_class = shapes.UserSerializer
    pagination_class = ByDateJoined
    queryset = User.objects.none()

    @extend_schema(operation_id="users_list", summary="People", tags=_TAGS, responses=shapes.UserSerializer(many=True))
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(users_administered_by(caller(request)))
        return self.get_paginated_response(shapes.UserSerializer(page, many=True).data)

    @extend_schema(
        operation_id="users_create", summary="Add a person", tags=_TAGS,
        request=shapes.UserAddSerializer, responses={201: shapes.UserWithPasswordSerializer},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        by, given = caller(request), _given(shapes.UserAddSerializer, request)
        site = _site_named(by, given.get("site"))
        try:
            user, password = administration.user_add(site=site, username=given["username"], role=given["role"], by=by)
        except ValidationError as error:
            raise _refused(error) from error
        return Response(_with_password(user, password), status=201, headers=_NO_STORE)


def _with_password(user: User, password: str) -> dict[str, Any]:
    return {**shapes.UserSerializer(user).data, "temporary_password": password}


class UserDetailView(APIView):
    """Change a person's role, or whether they may come in."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="users_change", summary="Change role or access", tags=_TAGS, request=shapes.UserChangeSerializer,
        responses={200: shapes.UserSerializer, 404: GONE, 409: PROBLEM_CONFLICT},
    )  # fmt: skip
    def patch(self, request: Request, user_id: int) -> Response:
        given = _given(shapes.UserChangeSerializer, request)
        try:
            user = administration.user_change(user=_user_or_404(request, user_id), by=caller(request), **given)
        except administration.LastAdministrator as error:
            raise _last() from error
        return Response(shapes.UserSerializer(user).data)


class UserPasswordView(APIView):
    """A new temporary password for somebody who forgot theirs."""

    permission_classes = [CanAdminister]

    @extend_schema(
        operation_id="users_reset_password", summary="Reset a password", tags=_TAGS, request=None,
        responses={200: shapes.UserWithPasswordSerializer, 404: GONE},
    )  # fmt: skip
    def post(self, request: Request, user_id: int) -> Response:
        user = _user_or_404(request, user_id)
        password = administration.password_reset(user=user, by=caller(request))
        user.refresh_from_db()
        return Response(_with_password(user, password), headers=_NO_STORE)


def _user_or_404(request: Request, user_id: int) -> User:
    """A user whom the caller may change: a site's administrator has no hand in platform administrators."""
    by = caller(request)
    user = users_administered_by(by).filter(pk=user_id).first() if 0 <= user_id < 2**63 else None
    if user is None:
        raise Http404
    if user.is_superuser:
        platform_administrator_required(by)
    return user


class OwnPasswordView(APIView):
    """Choosing a password of one's own; the only address open before that to whom an administrator gave one."""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="session_password", summary="Change your password", tags=["session"],
        request=shapes.PasswordSerializer, responses={204: None},
    )  # fmt: skip
    def put(self, request: Request) -> Response:
        user, given = caller(request), _given(shapes.PasswordSerializer, request)
        if request.auth is not None:
            raise Problem.for_status(
                403, detail="A token cannot change its user's password.", action="Sign in with the password."
            )
        login_guard(request._request, username=user.username)
        if not user.check_password(given["current_password"]):
            login_failed(request._request, username=user.username)
            raise CodedError("input:invalid_field", "current_password: wrong")
        try:
            changed = administration.password_change(user=user, password=given["new_password"])
        except ValidationError as error:
            raise serializers.ValidationError({"new_password": error.messages}) from error
        update_session_auth_hash(request._request, changed)
        return Response(status=204, headers=_NO_STORE)


class TokenListView(GenericAPIView):
    """Your own tokens; an administrator's list holds the site's."""

    permission_classes = [CanRead]
    serializer_class = shapes.TokenSerializer
    queryset = ApiToken.objects.none()

    @extend_schema(operation_id="tokens_list", summary="API tokens", tags=_TAGS, responses=shapes.TokenSerializer(many=True))
    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(_tokens(caller(request)))
        return self.get_paginated_response(shapes.TokenSerializer(page, many=True).data)

    @extend_schema(
        operation_id="tokens_create", summary="Make an API token", tags=_TAGS,
        request=shapes.TokenAddSerializer, responses={201: shapes.TokenShownSerializer, 404: GONE},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        by, given = caller(request), _given(shapes.TokenAddSerializer, request)
        owner = by
        wanted = given.pop("user", by.pk)
        if wanted != by.pk:
            if by.role != Role.ADMINISTRATOR:
                raise Problem.for_status(403)
            owner = _user_or_404(request, wanted)
        try:
            token, plain = administration.token_add(user=owner, by=by, **given)
        except ValidationError as error:
            raise _refused(error) from error
        return Response({**shapes.TokenSerializer(token).data, "token": plain}, status=201, headers=_NO_STORE)


class TokenDetailView(APIView):
    """Revoke a token: refused from now on."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="tokens_revoke", summary="Revoke an API token", tags=_TAGS,
        responses={200: shapes.TokenSerializer, 404: GONE},
    )  # fmt: skip
    def delete(self, request: Request, token_id: uuid.UUID) -> Response:
        token = _tokens(caller(request)).filter(pk=token_id).first()
        if token is None:
            raise Http404
        return Response(shapes.TokenSerializer(administration.token_withdraw(token=token, by=caller(request))).data)


def _tokens(user: User) -> QuerySet[ApiToken]:
    rows = ApiToken.objects.filter(site=user.site, site__isnull=False).select_related("user")
    return rows if user.role == Role.ADMINISTRATOR else rows.filter(user=user)


class IsPlatformAdministrator(BasePermission):
    """An administrator whom `is_superuser` marks."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return CanAdminister().has_permission(request, view) and bool(request.user.is_superuser)


class SiteListView(GenericAPIView):
    """Every hospital, for platform administrators."""

    permission_classes = [IsPlatformAdministrator]
    serializer_class = shapes.SiteSerializer
    queryset = Site.objects.none()

    @extend_schema(operation_id="sites_list", summary="Sites", tags=_TAGS, responses=shapes.SiteSerializer(many=True))
    def get(self, request: Request) -> Response:
        return self.get_paginated_response(shapes.SiteSerializer(self.paginate_queryset(Site.objects.all()), many=True).data)

    @extend_schema(
        operation_id="sites_create", summary="Add a site", tags=_TAGS,
        request=shapes.SiteAddSerializer, responses={201: shapes.SiteSerializer},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        try:
            site = administration.site_add(by=caller(request), **_given(shapes.SiteAddSerializer, request))
        except ValidationError as error:
            raise _refused(error) from error
        return Response(shapes.SiteSerializer(site).data, status=201)


class SiteDetailView(APIView):
    """Name, weight in the queue, limits, and whether the site is open."""

    permission_classes = [IsPlatformAdministrator]

    @extend_schema(
        operation_id="sites_change", summary="Change a site", tags=_TAGS, request=shapes.SiteChangeSerializer,
        responses={200: shapes.SiteSerializer, 404: GONE, 409: PROBLEM_CONFLICT},
    )  # fmt: skip
    def patch(self, request: Request, slug: str) -> Response:
        site = Site.objects.filter(slug=slug).first()
        if site is None:
            raise Http404
        try:
            site = administration.site_change(site=site, by=caller(request), **_given(shapes.SiteChangeSerializer, request))
        except ValidationError as error:
            raise _refused(error) from error
        except administration.LastAdministrator as error:
            raise _last() from error
        return Response(shapes.SiteSerializer(site).data)
