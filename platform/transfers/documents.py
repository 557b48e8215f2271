"""Uploads as the JSON documents of API v1, and the shapes as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from inference_worker.contract.failures import failure_for
from transfers.models import Upload, UploadKind, UploadState


def upload_url(upload: Upload) -> str:
    return f"/api/v1/uploads/{upload.pk}"


def upload_document(upload: Upload) -> dict[str, Any]:
    """One upload. Its file's name is not in it: it is not kept."""
    failure = failure_for(upload.failure_code) if upload.failure_code else None
    return {
        "id": str(upload.pk),
        "url": upload_url(upload),
        "kind": upload.kind,
        "state": upload.state,
        "length": upload.length,
        "offset": upload.offset,
        "sha256": upload.sha256 or None,
        "media_type": upload.media_type or None,
        "batch": str(upload.batch_id) if upload.batch_id else None,
        "custom_id": upload.custom_id or None,
        "failure": {"code": failure.code, "title": failure.title, "message": failure.message, "action": failure.action}
        if failure
        else None,
        "created_at": upload.created_at.isoformat(),
        "finished_at": upload.finished_at.isoformat() if upload.finished_at else None,
        "expires_at": upload.expires_at.isoformat(),
    }


class UploadFailureSerializer(serializers.Serializer):
    """Why the upload was refused. Match on `code` alone."""

    code = serializers.CharField()
    title = serializers.CharField()
    message = serializers.CharField()
    action = serializers.CharField()


class UploadSerializer(serializers.Serializer):
    """A file on its way in. `offset`: how many of its `length` bytes have arrived and are kept."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    kind = serializers.ChoiceField(choices=UploadKind.choices)
    state = serializers.ChoiceField(choices=UploadState.choices)
    length = serializers.IntegerField()
    offset = serializers.IntegerField()
    sha256 = serializers.CharField(allow_null=True)
    media_type = serializers.CharField(allow_null=True)
    batch = serializers.UUIDField(allow_null=True)
    custom_id = serializers.CharField(allow_null=True)
    failure = UploadFailureSerializer(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(help_text="Put off by every byte; then the upload is removed.")
