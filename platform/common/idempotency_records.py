"""The rows behind Idempotency-Key: claim, keep, release, sweep. Knows no views; common.idempotency uses it.

The claim is a fence. It is written in a transaction of its own before the request runs, and the answer is kept by an update that
names the claim, inside the transaction that makes the request's effects. Of any number of requests with one key, in any number of
processes, one at a time holds the claim, and only its holder's effects can be committed.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from common import clock
from common.encryption import text_decrypt, text_encrypt
from common.models import IdempotencyRecord
from common.problems import Problem

_PURPOSE = "idempotency.body"
_ASK_AGAIN_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run the request and to keep its answer."""

    digest: str
    token: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What the first request with this key was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ClaimLost(Problem):
    """Another request with the key runs, or took over from this one, which took longer than its lease."""

    def __init__(self) -> None:
        super().__init__(
            status=409,
            code="request:idempotency_in_progress",
            title="Still in progress",
            detail="An earlier request with this Idempotency-Key is still running.",
            action="Send the same request again after the seconds in Retry-After; it will bring the first one's answer.",
            headers={"Retry-After": str(_ASK_AGAIN_SECONDS)},
        )


def key_digest(*, caller: str, key: str) -> str:
    """What names the key of this caller in the database. Keyed, because a sender's key may be made from a patient's number."""
    return hmac.new(settings.SECRET_KEY.encode(), f"idempotency\x1f{caller}\x1f{key}".encode(), hashlib.sha256).hexdigest()


def key_claim(*, digest: str, fingerprint: str) -> Claim | KeptAnswer:
    """The right to run the request, or the answer of the one that has run. Commits on its own.

    Raises the 422 problem when the key belongs to another request, and ClaimLost while the first one runs. A claim whose holder
    has not finished within IDEMPOTENCY_LEASE_SECONDS passes to whoever asks next.
    """
    token = uuid.uuid4().hex
    now = clock.now()
    fresh = IdempotencyRecord(
        digest=digest, fingerprint=fingerprint, claim=token, lease_until=now + _lease(), created_at=now, status=None
    )
    with transaction.atomic():
        IdempotencyRecord.objects.bulk_create([fresh], ignore_conflicts=True)
        row = IdempotencyRecord.objects.select_for_update().filter(digest=digest).first()
        if row is None:
            raise ClaimLost  # released between the two statements: the next try finds it free
        if row.claim == token:
            return Claim(digest, token)
        expired = row.created_at <= now - _kept()
        if not expired:
            if row.fingerprint != fingerprint:
                raise _reused()
            if row.status is not None:
                return KeptAnswer(row.status, row.headers, text_decrypt(row.body, purpose=_PURPOSE).encode("latin-1"))
            if row.lease_until > now:
                raise ClaimLost
        fresh.pk = row.pk
        fresh.created_at = now if expired else row.created_at
        fresh.save(force_update=True)
    return Claim(digest, token)


def answer_keep(*, claim: Claim, answer: KeptAnswer) -> None:
    """Write the answer down. Inside the transaction that makes the effects, either both are there or neither is.

    Raises ClaimLost when the claim has passed to another request: the caller's transaction must be rolled back.
    """
    kept = IdempotencyRecord.objects.filter(digest=claim.digest, claim=claim.token, status=None).update(
        status=answer.status,
        headers=dict(answer.headers),
        body=text_encrypt(answer.body.decode("latin-1"), purpose=_PURPOSE),
    )
    if not kept:
        raise ClaimLost


def claim_release(*, claim: Claim) -> None:
    """Nothing came of the request: the key is free again."""
    IdempotencyRecord.objects.filter(digest=claim.digest, claim=claim.token, status=None).delete()


def records_sweep(*, at_most: int = 5_000) -> int:
    """Forget answers older than IDEMPOTENCY_KEPT_HOURS; returns how many. In the dispatcher's round."""
    old = list(IdempotencyRecord.objects.filter(created_at__lte=clock.now() - _kept()).values_list("pk", flat=True)[:at_most])
    return IdempotencyRecord.objects.filter(pk__in=old).delete()[0] if old else 0


def _reused() -> Problem:
    return Problem(
        status=422,
        code="request:idempotency_key_reused",
        title="Key used for another request",
        detail="This Idempotency-Key was sent before with another body or to another address.",
        action="Make a new key for every new request; repeat a key only to repeat the very same request.",
    )


def _lease() -> datetime.timedelta:
    return datetime.timedelta(seconds=settings.IDEMPOTENCY_LEASE_SECONDS)


def _kept() -> datetime.timedelta:
    return datetime.timedelta(hours=settings.IDEMPOTENCY_KEPT_HOURS)
