"""The headers of the tus protocol as values. Source: https://tus.io/protocols/resumable-upload (1.0.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import Any

from common.problems import Problem
from inference_worker.contract.failures import CodedError
from studies.intake import IntakeRefusal
from studies.naming import name_tokens
from studies.services import external_id_validate
from transfers.models import UploadKind

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
#: sha1 because the protocol demands it of everybody.
CHECKSUM_ALGORITHMS = ("sha256", "sha1")

_NUMBER = re.compile(r"[0-9]{1,18}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,48}/[A-Za-z0-9!#$&^_.+-]{1,48}")
_SIDE_WORDS = {"L": "LEFT", "R": "RIGHT"}


@dataclass(frozen=True, slots=True)
class Announcement:
    """What Upload-Metadata says of a file. Of its name only the laterality and view are taken; keys we do not know are dropped,
    because clients put whole paths into them."""

    kind: UploadKind = UploadKind.FILE
    sha256: str = ""
    media_type: str = ""
    name_hint: str = ""
    batch_id: uuid.UUID | None = None
    custom_id: str = ""


class Checksum:
    """Upload-Checksum of one piece: feed it what arrives, then ask."""

    def __init__(self, algorithm: str, expected: bytes) -> None:
        self._digest = hashlib.new(algorithm, usedforsecurity=algorithm != "sha1")
        self._expected = expected

    def update(self, data: bytes) -> None:
        self._digest.update(data)

    @property
    def is_right(self) -> bool:
        return self._digest.digest() == self._expected


def number_read(value: str | None, *, header: str) -> int:
    """A length or an offset in bytes. Raises Problem 400."""
    if value is None or not _NUMBER.fullmatch(value):
        raise _invalid(header, "Send a number of bytes.")
    return int(value)


def checksum_read(value: str | None) -> Checksum | None:
    """None where no checksum was sent. Raises Problem 400 for an algorithm that is not offered and for what is no digest."""
    if not value:
        return None
    algorithm, _, encoded = value.partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise _invalid("Upload-Checksum", f"Use one of {', '.join(CHECKSUM_ALGORITHMS)}.")
    expected = _decoded(encoded, header="Upload-Checksum")
    if len(expected) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise _invalid("Upload-Checksum", "Send the algorithm, a space and the digest in base64.")
    return Checksum(algorithm, expected)


def metadata_read(value: str | None) -> Announcement:
    """Upload-Metadata: pairs of a key and a value in base64. Raises Problem 400 naming the key at fault."""
    given: dict[str, str] = {}
    for pair in (value or "").split(","):
        key, _, encoded = pair.strip().partition(" ")
        if key:
            given[key] = _decoded(encoded, header="Upload-Metadata").decode("utf-8", "replace").strip()
    fields: dict[str, Any] = {}
    if kind := given.get("kind"):
        if kind not in UploadKind.values:
            raise _invalid("Upload-Metadata", f"“kind” is one of {', '.join(UploadKind.values)}.")
        fields["kind"] = UploadKind(kind)
    if sha256 := given.get("sha256", "").lower():
        if not _SHA256.fullmatch(sha256):
            raise _invalid("Upload-Metadata", "“sha256” is the file's digest in 64 hexadecimal digits.")
        fields["sha256"] = sha256
    if batch := given.get("batch"):
        try:
            fields["batch_id"] = uuid.UUID(batch)
        except ValueError:
            raise _invalid("Upload-Metadata", "“batch” is the id of a batch.") from None
    try:
        fields["custom_id"] = external_id_validate(given.get("custom_id", ""))
    except IntakeRefusal as refusal:
        raise _invalid("Upload-Metadata", f"“custom_id”: {refusal.errors[0]['message']}") from None
    if _MEDIA_TYPE.fullmatch(given.get("filetype", "")):
        fields["media_type"] = given["filetype"].lower()
    laterality, view = name_tokens(given.get("filename", ""))
    fields["name_hint"] = "_".join(part for part in (_SIDE_WORDS.get(laterality, ""), view) if part)
    return Announcement(**fields)


def _decoded(encoded: str, *, header: str) -> bytes:
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(header, "Values are base64.") from None


def _invalid(header: str, message: str) -> Problem:
    error = {"field": header, "code": "invalid", "message": message}
    return Problem.for_coded_error(CodedError("input:invalid_field"), errors=[error])
