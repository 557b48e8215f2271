"""Write side of studies: rows for what intake has stored. It reads no files and starts no jobs."""

from __future__ import annotations

import re

from accounts.models import Site, User
from studies.identity import identity_keep
from studies.intake import IntakeRefusal, ReceivedImage, ReceivedStudy
from studies.models import Image, StoredObject, Study

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/#+-]{0,127}")


def external_id_validate(external_id: str) -> str:
    """The sender's own reference for a study, at most 128 plain characters; empty is fine. It must not identify a patient.

    Raises IntakeRefusal input:invalid_field. The character set keeps names with spaces and DICOM's ^ out.
    """
    external_id = external_id.strip()
    if external_id and not _EXTERNAL_ID.fullmatch(external_id):
        message = (
            "At most 128 letters, digits and . _ : / # + -, beginning with a letter or digit; nothing that identifies a patient."
        )
        raise IntakeRefusal("input:invalid_field", [{"field": "external_id", "code": "invalid", "message": message}])
    return external_id


def study_create(
    *, received: ReceivedStudy, site: Site, external_id: str = "", submitted_by: User | None = None, is_sample: bool = False
) -> Study:
    """Rows of a received study, inside the caller's transaction. Raises IntakeRefusal for a malformed `external_id`."""
    study = Study.objects.create(
        site=site,
        external_id=external_id_validate(external_id),
        study_instance_uid=received.study_instance_uid,
        patient_pseudonym=received.patient_pseudonym,
        content_sha256=received.content_sha256,
        is_sample=is_sample,
        submitted_by=submitted_by,
    )
    stored = _stored_objects(site, received.images)
    Image.objects.bulk_create(
        Image(
            study=study,
            stored_object=stored[image.sha256],
            position=position,
            sop_instance_uid=image.sop_instance_uid,
            image_laterality=image.image_laterality,
            view_position=image.view_position,
            modality=image.modality[:16],
            transfer_syntax_uid=image.transfer_syntax_uid,
            photometric_interpretation=image.photometric_interpretation,
            rows=image.rows,
            columns=image.columns,
        )
        for position, image in enumerate(received.images)
    )
    identity_keep(study=study, identifiers=received.originals)
    return study


def _stored_objects(site: Site, images: tuple[ReceivedImage, ...]) -> dict[str, StoredObject]:
    """One row per digest and site. Two submissions of the same file at once agree on one row: a conflict is ignored and read."""
    StoredObject.objects.bulk_create(
        (
            StoredObject(
                site=site,
                sha256=image.sha256,
                object_key=image.object_key,
                size_bytes=image.size_bytes,
                media_type=image.media_type,
            )
            for image in images
        ),
        ignore_conflicts=True,
    )
    digests = [image.sha256 for image in images]
    return {row.sha256: row for row in StoredObject.objects.filter(site=site, sha256__in=digests)}
