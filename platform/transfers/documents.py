"""Uploads as the JSON documents of API v1, and the shapes as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
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


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Half sent",
            value={
                "id": "0b0e7c58-96f7-4f7c-8d7d-6f6b8e6f3c11",
                "url": "/api/v1/uploads/0b0e7c58-96f7-4f7c-8d7d-6f6b8e6f3c11",
                "kind": "file",
                "state": "receiving",
                "length": 27918336,
                "offset": 16777216,
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "media_type": "application/dicom",
                "batch": "5f0b0e0c-0d6a-4d0a-9a65-2f4f4b1d3a77",
                "custom_id": "case-0042/1",
                "failure": None,
                "created_at": "2026-01-05T09:30:00+00:00",
                "finished_at": None,
                "expires_at": "2026-01-06T09:30:07+00:00",
            },
            response_only=True,
        )
    ]
)
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
