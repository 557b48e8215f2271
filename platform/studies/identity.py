"""The hospital's own identifiers of a study: kept encrypted, restored for the site that sent them, forgotten after a while.

What leads from pseudonyms back to a patient exists here alone, as one ciphertext for each study. It is never logged, never in a
message and never in the worker. Who may read it is the caller's concern: selectors elsewhere hand in studies of one site.
"""

from __future__ import annotations

import datetime
import json
import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction

from common import clock
from common.encryption import Undecryptable, text_decrypt, text_encrypt, text_reencrypt
from studies.models import Study, StudyIdentity

logger = logging.getLogger(__name__)

_PURPOSE = "study.identity"
_CHUNK = 500
_TEXT_MAXIMUM = 128


@dataclass(frozen=True, slots=True)
class OriginalIdentifiers:
    """As the headers say; empty where none does. `sop_instance_uids` in the order of the images. Never shown by repr."""

    study_instance_uid: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)
    sop_instance_uids: tuple[str, ...] = field(default=(), repr=False)

    @property
    def says_anything(self) -> bool:
        return any((self.study_instance_uid, self.patient_id, self.accession_number, *self.sop_instance_uids))


def identity_keep(*, study: Study, identifiers: OriginalIdentifiers) -> None:
    """Store them for a new study, inside the caller's transaction; nothing where there are none or none are to be kept."""
    if settings.IDENTITY_KEPT_DAYS <= 0 or not identifiers.says_anything:
        return
    plain = {
        "study_instance_uid": identifiers.study_instance_uid[:_TEXT_MAXIMUM],
        "patient_id": identifiers.patient_id[:_TEXT_MAXIMUM],
        "accession_number": identifiers.accession_number[:_TEXT_MAXIMUM],
        "sop_instance_uids": [uid[:_TEXT_MAXIMUM] for uid in identifiers.sop_instance_uids],
    }
    StudyIdentity.objects.create(study=study, encrypted=text_encrypt(json.dumps(plain), purpose=_PURPOSE))


def identities_of(*, site_id: uuid.UUID, study_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, dict[str, Any]]:
    """By study, of those that this site sent and whose identifiers are kept and readable. One query.

    Values: study_instance_uid, patient_id, accession_number, sop_instance_uids (by image position).
    """
    found: dict[uuid.UUID, dict[str, Any]] = {}
    unreadable = 0
    rows = StudyIdentity.objects.filter(study_id__in=list(study_ids), study__site_id=site_id)
    for study_id, encrypted in rows.values_list("study_id", "encrypted"):
        try:
            found[study_id] = json.loads(text_decrypt(encrypted, purpose=_PURPOSE))
        except Undecryptable:
            unreadable += 1
    if unreadable:
        logger.error("identities of %d studies cannot be decrypted with the configured keys", unreadable)
    return found


def identities_reencrypt() -> int:
    """Bring every row under the newest key, so that older ones can be retired; returns how many. May be run again.

    Raises Undecryptable before anything of its chunk is written.
    """
    done = 0
    last: uuid.UUID | None = None
    while True:
        rows = StudyIdentity.objects.order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        with transaction.atomic():
            chunk = list(rows.select_for_update()[:_CHUNK])
            for row in chunk:
                row.encrypted = text_reencrypt(row.encrypted, purpose=_PURPOSE)
            StudyIdentity.objects.bulk_update(chunk, ["encrypted"])
        if not chunk:
            return done
        done += len(chunk)
        last = chunk[-1].pk


def identities_purge() -> int:
    """Forget what is older than IDENTITY_KEPT_DAYS, a chunk at a time; returns how many."""
    limit = clock.now() - datetime.timedelta(days=settings.IDENTITY_KEPT_DAYS)
    purged = 0
    while True:
        old: Sequence[uuid.UUID] = list(
            StudyIdentity.objects.filter(created_at__lt=limit).order_by("created_at").values_list("pk", flat=True)[:_CHUNK]
        )
        if not old:
            return purged
        purged += StudyIdentity.objects.filter(pk__in=old).delete()[0]
