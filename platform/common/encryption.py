"""Columns that are unreadable in the database: encrypted with a key that lies elsewhere, authenticated, rotatable.

Fernet (AES-128-CBC with HMAC-SHA256) under a key of its own for every purpose, derived with HKDF-SHA256 from
FIELD_ENCRYPTION_KEYS or, without them, from SECRET_KEY. The first key writes; every key reads. An encrypted column cannot be
searched: keep a keyed digest beside it where that is wanted.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Undecryptable(Exception):
    """The text was encrypted with a key that is not configured any more, for another purpose, or it was altered."""


def text_encrypt(plain: str, *, purpose: str) -> str:
    """Printable ASCII that only `text_decrypt` with the same purpose turns back; never the same twice.

    `purpose` names the column, such as “webhook.secret”: what was written for one cannot be passed off as another's.
    The length is about 4/3 of the UTF-8 bytes plus 100.
    """
    return _ciphers(purpose).encrypt(plain.encode()).decode("ascii")


def text_decrypt(encrypted: str, *, purpose: str) -> str:
    """What was encrypted. Raises Undecryptable."""
    try:
        return _ciphers(purpose).decrypt(encrypted.encode()).decode()
    except InvalidToken:
        raise Undecryptable(f"a value of {purpose} cannot be decrypted with the configured keys") from None


def text_reencrypt(encrypted: str, *, purpose: str) -> str:
    """The same content under the first key, so that the older keys can be retired afterwards. Raises Undecryptable."""
    try:
        return _ciphers(purpose).rotate(encrypted.encode()).decode("ascii")
    except InvalidToken:
        raise Undecryptable(f"a value of {purpose} cannot be decrypted with the configured keys") from None


def _ciphers(purpose: str) -> MultiFernet:
    # SECRET_KEY stays last: what was written before FIELD_ENCRYPTION_KEYS was set must remain readable.
    keys = (*settings.FIELD_ENCRYPTION_KEYS, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return _ciphers_of(tuple(str(key) for key in keys), purpose)


@lru_cache(maxsize=32)
def _ciphers_of(keys: tuple[str, ...], purpose: str) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key, purpose))) for key in keys])


def _derived(key: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"mammoserve field encryption: {purpose}".encode()).derive(
        key.encode()
    )
