"""The shapes of packages, comparisons and uploads as the OpenAPI document tells them, and the fields of their requests.

The documents are built in catalog.api.documents; a test holds both together.
"""

from __future__ import annotations

from rest_framework import serializers

from catalog.api.serializers import FailureWordsSerializer, PackageSerializer
from catalog.models import CheckKind, CheckState, UploadState
from catalog.requests import REASON_MINIMUM

REASON_MAXIMUM = 500


class PackagesSerializer(serializers.Serializer):
    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = PackageSerializer(many=True)


class PackageFileSerializer(serializers.Serializer):
    path = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class CheckSummarySerializer(serializers.Serializer):
    """Work of an inference worker on a package, without its report."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=CheckKind.choices)
    state = serializers.ChoiceField(choices=CheckState.choices)
    package = serializers.CharField(allow_null=True)
    upload = serializers.UUIDField(allow_null=True)
    attempt = serializers.IntegerField()
    worker = serializers.CharField(allow_null=True)
    provider = serializers.CharField(allow_null=True)
    step = serializers.CharField(allow_blank=True)
    steps_done = serializers.IntegerField()
    steps_total = serializers.IntegerField()
    requested_at = serializers.DateTimeField()
    requested_by = serializers.CharField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    failure = FailureWordsSerializer(allow_null=True)


class PackageDetailSerializer(PackageSerializer):
    """A package in full. `card` is Markdown, null when the object store has lost it; `jobs` counts all that are pinned to it."""

    manifest = serializers.DictField()
    card = serializers.CharField(allow_null=True)
    files = PackageFileSerializer(many=True)
    checks = CheckSummarySerializer(many=True)
    jobs = serializers.IntegerField()


class ComparedRowSerializer(serializers.Serializer):
    field = serializers.CharField()
    left = serializers.JSONField(allow_null=True)
    right = serializers.JSONField(allow_null=True)
    same = serializers.BooleanField()


class ComparedSectionSerializer(serializers.Serializer):
    name = serializers.ChoiceField(
        choices=["labels", "preprocessing", "explanation", "thresholds", "metrics", "provenance", "files"]
    )
    same = serializers.BooleanField()
    rows = ComparedRowSerializer(many=True)


class ComparisonSerializer(serializers.Serializer):
    """Two packages side by side. `warnings` are sentences for whoever is about to put one in the other's place."""

    left = PackageSerializer()
    right = PackageSerializer()
    sections = ComparedSectionSerializer(many=True)
    warnings = serializers.ListField(child=serializers.CharField())


class ReasonSerializer(serializers.Serializer):
    reason = serializers.CharField(min_length=REASON_MINIMUM, max_length=REASON_MAXIMUM, help_text="Why; the audit keeps it.")


class UploadSerializer(serializers.Serializer):
    """Something an administrator sent. `state` BUILDING: an inference worker makes a package of the ONNX file."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=["package", "onnx"])
    state = serializers.ChoiceField(choices=UploadState.choices)
    package = serializers.CharField(allow_null=True)
    failure = FailureWordsSerializer(allow_null=True)
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    form = serializers.DictField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    uploaded_by = serializers.CharField(allow_null=True)


class UploadsSerializer(serializers.Serializer):
    results = UploadSerializer(many=True)
