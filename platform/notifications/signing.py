"""Standard Webhooks 1.0.0: secrets, and the headers that prove where a message comes from."""

from __future__ import annotations

import base64
import datetime
import secrets
from collections.abc import Sequence

from django.conf import settings
from standardwebhooks import Webhook

from common.encryption import text_decrypt, text_encrypt
from notifications.models import WebhookEndpoint

_PURPOSE = "webhook.secret"
_SECRET_BYTES = 32


def secret_new() -> str:
    """`whsec_` and 256 random bits in base64, as receivers' libraries take it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode("ascii")


def secret_seal(secret: str) -> str:
    """As it lies in the database."""
    return text_encrypt(secret, purpose=_PURPOSE)


def secrets_of(endpoint: WebhookEndpoint, *, now: datetime.datetime) -> list[str]:
    """The secrets that sign now: the current one and, during a rotation, the one before. Raises Undecryptable."""
    sealed = [endpoint.secret]
    if endpoint.previous_secret and endpoint.previous_secret_until and endpoint.previous_secret_until > now:
        sealed.append(endpoint.previous_secret)
    return [text_decrypt(value, purpose=_PURPOSE) for value in sealed]


def headers_signed(
    *, message_id: str, body: str, secrets_valid: Sequence[str], at: datetime.datetime, request_id: str
) -> dict[str, str]:
    """Every header of a delivery. A receiver is content with one signature of several."""
    return {
        "content-type": "application/json",
        "user-agent": f"MammoServe-Webhooks/{settings.SOFTWARE_VERSION}",
        "accept-encoding": "identity",
        "x-request-id": request_id,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, at, body) for secret in secrets_valid),
    }
