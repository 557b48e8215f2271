"""What must be right before the platform starts, said in words. Whether it can work at this moment is /readyz's concern."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security)
def secret_key_check(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Pseudonyms of failed sign-ins and sessions stand on the secret key."""
    if settings.DEBUG or len(settings.SECRET_KEY) >= 32:
        return []
    return [checks.Warning("SECRET_KEY is shorter than 32 characters.", hint="Set a long random one.", id="common.W001")]


@checks.register(checks.Tags.security)
def encryption_keys_check(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """A short key would be guessed by whoever holds a copy of the database, which is what the keys are against."""
    if all(len(key) >= 32 for key in settings.FIELD_ENCRYPTION_KEYS):
        return []
    return [
        checks.Error(
            "FIELD_ENCRYPTION_KEYS holds a key shorter than 32 characters.", hint="openssl rand -hex 32", id="common.E003"
        )
    ]


@checks.register(checks.Tags.security)
def hosts_check(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """A platform behind TLS is reachable by others, so its own names must be listed."""
    if settings.BEHIND_TLS and "*" in settings.ALLOWED_HOSTS:
        return [checks.Error("ALLOWED_HOSTS accepts every name.", hint="List the names of this server.", id="common.E001")]
    return []


@checks.register(checks.Tags.files)
def intake_limits_check(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """A request must be able to hold one file."""
    if settings.INTAKE_MAX_REQUEST_BYTES >= settings.INTAKE_MAX_FILE_BYTES:
        return []
    return [
        checks.Error("INTAKE_MAX_REQUEST_MB is below INTAKE_MAX_FILE_MB.", hint="Raise it, or lower the other.", id="common.E002")
    ]
