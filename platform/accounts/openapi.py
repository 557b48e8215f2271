"""How the OpenAPI document describes the ways of authenticating. Read by drf-spectacular, called by nobody."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from accounts.authentication import BearerAuthentication, SessionAuthentication


class BearerScheme(OpenApiAuthenticationExtension):
    """How the OpenAPI document describes API tokens."""

    target_class = BearerAuthentication
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API token: python platform/manage.py issue_token"}


class SessionScheme(OpenApiAuthenticationExtension):
    """How the OpenAPI document describes browser sessions."""

    target_class = SessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "Unsafe methods also need X-CSRFToken."}
