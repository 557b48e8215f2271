"""Start-up checks."""

from __future__ import annotations

from django.core import checks


def _ids() -> set[str]:
    return {message.id for message in checks.run_checks() if message.id and message.id.startswith("common.")}


def test_the_test_settings_pass(db) -> None:
    assert _ids() == set()


def test_each_fault_is_named(db, settings) -> None:
    settings.SECRET_KEY = "short"
    settings.FIELD_ENCRYPTION_KEYS = ["short"]
    settings.BEHIND_TLS = True
    settings.ALLOWED_HOSTS = ["*"]
    settings.INTAKE_MAX_REQUEST_BYTES = settings.INTAKE_MAX_FILE_BYTES - 1

    assert _ids() == {"common.W001", "common.E001", "common.E002", "common.E003"}
