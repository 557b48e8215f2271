"""The shapes of packages, comparisons and uploads as the OpenAPI document tells them, and the fields of their requests.

The documents are built in catalog.api.documents; a test holds both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from catalog.api.serializers import FailureWordsSerializer, PackageSerializer
from catalog.compare import CautionCode
from catalog.models import UPLOAD_KINDS, CheckKind, CheckState, UploadState
from catalog.requests import REASON_MINIMUM
from common.fields import StrictCharField, StrictFloatField, StrictRegexField
from inference_worker.contract.checks import Verdict
from model_registry.packaging.named_profiles import profile_names

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


class CheckItemSerializer(serializers.Serializer):
    """One item of a report. `code` and `failure` where it failed; `figures` are what was measured."""

    name = serializers.CharField()
    title = serializers.CharField()
    verdict = serializers.ChoiceField(choices=[verdict.value for verdict in Verdict])
    detail = serializers.CharField(allow_blank=True)
    code = serializers.CharField(allow_null=True)
    failure = FailureWordsSerializer(allow_null=True)
    figures = serializers.DictField()
    seconds = serializers.FloatField()


class PerformanceSerializer(serializers.Serializer):
    """Warm runs at one batch size on the worker's own provider."""

    batch_size = serializers.IntegerField()
    median_seconds = serializers.FloatField()
    images_per_second = serializers.FloatField()
    peak_memory_bytes = serializers.IntegerField()


class CheckReportSerializer(serializers.Serializer):
    passed = serializers.BooleanField()
    provider = serializers.CharField(allow_blank=True)
    software = serializers.DictField()
    performance = PerformanceSerializer(many=True)
    items = CheckItemSerializer(many=True)


class CheckSerializer(CheckSummarySerializer):
    """Work of an inference worker on a package; `report` is null until there is one."""

    report = CheckReportSerializer(allow_null=True)


class ChecksSerializer(serializers.Serializer):
    results = CheckSerializer(many=True)


class ProfileSerializer(serializers.Serializer):
    """A way to prepare images that has a name."""

    name = serializers.CharField()
    title = serializers.CharField()
    steps = serializers.ListField(child=serializers.CharField())


class ProfilesSerializer(serializers.Serializer):
    results = ProfileSerializer(many=True)


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


class ComparedValuesSerializer(serializers.Serializer):
    left = serializers.CharField(allow_blank=True)
    right = serializers.CharField(allow_blank=True)


class ComparedCautionSerializer(serializers.Serializer):
    """`code` is stable, `message` may be worded anew; `values` is what each side states, empty where it names nothing."""

    code = serializers.ChoiceField(choices=[code.value for code in CautionCode])
    message = serializers.CharField()
    values = ComparedValuesSerializer()


class ComparisonSerializer(serializers.Serializer):
    """Two packages side by side. `cautions` are for whoever is about to put one in the other's place; `warnings` are their
    messages alone."""

    left = PackageSerializer()
    right = PackageSerializer()
    sections = ComparedSectionSerializer(many=True)
    cautions = ComparedCautionSerializer(many=True)
    warnings = serializers.ListField(child=serializers.CharField())


class ReasonSerializer(serializers.Serializer):
    reason = StrictCharField(min_length=REASON_MINIMUM, max_length=REASON_MAXIMUM, help_text="Why; the audit keeps it.")


class PackageUploadSerializer(serializers.Serializer):
    """Something an administrator sent. `state` BUILDING: an inference worker makes a package of the ONNX file."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=UPLOAD_KINDS)
    state = serializers.ChoiceField(choices=UploadState.choices)
    package = serializers.CharField(allow_null=True)
    failure = FailureWordsSerializer(allow_null=True)
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    form = serializers.DictField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    uploaded_by = serializers.CharField(allow_null=True)


class OnnxFormSerializer(serializers.Serializer):
    """What an ONNX file does not say of itself. `labels` in the order of the model's scores; `target` (the CAM layer) and
    `scores` are tensors of the graph and found in it where they are left out."""

    name = StrictRegexField(r"^[a-z0-9][a-z0-9._-]{0,63}$")
    version = StrictRegexField(r"^[0-9]+\.[0-9]+\.[0-9]+([.-][A-Za-z0-9.-]+)?$", max_length=64)
    title = StrictCharField(max_length=120, required=False)
    labels = serializers.ListField(child=StrictCharField(max_length=64), min_length=2, max_length=100)
    profile = serializers.ChoiceField(choices=profile_names())
    suspicion_classes = serializers.ListField(child=StrictCharField(max_length=64), min_length=1, max_length=100)
    statement = StrictCharField(max_length=500, help_text="What the model is for, and what it is not.")
    threshold = StrictFloatField(min_value=0, max_value=1, required=False)
    suspicion_target = StrictCharField(max_length=64, required=False)
    method = serializers.ChoiceField(choices=["grad-cam", "grad-cam++", "hires-cam", "layer-cam", "eigen-cam"], required=False)
    target = StrictCharField(max_length=300, required=False)
    scores = StrictCharField(max_length=300, required=False)
    outputs = serializers.ChoiceField(choices=["logits", "probabilities"], required=False)
    activation = serializers.ChoiceField(choices=["softmax", "sigmoid"], required=False)
    training_data = StrictCharField(max_length=500, required=False)
    licence = StrictCharField(max_length=200, required=False)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError({str(name)[:40]: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(set(attrs["labels"])) != len(attrs["labels"]):
            raise serializers.ValidationError({"labels": ["Labels must differ from one another."]})
        if strange := [label for label in attrs["suspicion_classes"] if label not in attrs["labels"]]:
            raise serializers.ValidationError({"suspicion_classes": [f"{strange[0]!r} is none of the labels."]})
        return attrs


class UploadRequestSerializer(serializers.Serializer):
    """`form` is JSON and comes with kind “onnx” alone; see OnnxForm."""

    kind = serializers.ChoiceField(choices=UPLOAD_KINDS)
    file = serializers.FileField(help_text="A package as a zip archive, or a model as ONNX.")
    form = StrictCharField(required=False, help_text="JSON; the fields of OnnxForm.")


class UploadsSerializer(serializers.Serializer):
    results = PackageUploadSerializer(many=True)
