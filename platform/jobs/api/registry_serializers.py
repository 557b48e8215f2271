"""The shapes of re-runs, replays, comparisons and agreement as the OpenAPI document tells them."""

from __future__ import annotations

from rest_framework import serializers

from catalog.deployments import REASON_MAXIMUM
from catalog.requests import REASON_MINIMUM
from common.fields import StrictBooleanField, StrictCharField, StrictUUIDField
from jobs.api.job_serializers import JobSerializer
from jobs.api.serializers import ResultSerializer

RERUN_MAXIMUM = 500


class RerunSerializer(serializers.Serializer):
    """Which jobs to run again, and with what: a package by its digest, or what a deployment serves now."""

    jobs = serializers.ListField(child=StrictUUIDField(), min_length=1, max_length=RERUN_MAXIMUM)
    package = StrictCharField(max_length=71, required=False)
    deployment = StrictCharField(max_length=50, required=False)
    reason = StrictCharField(min_length=REASON_MINIMUM, max_length=REASON_MAXIMUM)
    force = StrictBooleanField(default=False, help_text="Again even where the study was already re-run with the package.")


class RepeatSerializer(serializers.Serializer):
    origin = serializers.UUIDField()
    job = serializers.UUIDField()
    url = serializers.CharField()


class RerunAcceptedSerializer(serializers.Serializer):
    results = RepeatSerializer(many=True)


class DifferenceSerializer(serializers.Serializer):
    where = serializers.CharField()
    left = serializers.JSONField(allow_null=True)
    right = serializers.JSONField(allow_null=True)
    difference = serializers.FloatField(allow_null=True)


class ToleranceSerializer(serializers.Serializer):
    scores = serializers.FloatField()
    maps = serializers.FloatField()


class ReplaySerializer(serializers.Serializer):
    """A replay and what it says. `verdict` null: not finished."""

    job = serializers.UUIDField()
    status = serializers.CharField()
    verdict = serializers.ChoiceField(choices=["identical", "different", "failed"], allow_null=True)
    tolerance = ToleranceSerializer()
    differences = DifferenceSerializer(many=True)
    package_digest = serializers.CharField()
    preprocessing_digest = serializers.CharField(allow_null=True)
    provider_left = serializers.CharField(allow_null=True)
    provider_right = serializers.CharField(allow_null=True)
    requested_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class ReplaysSerializer(serializers.Serializer):
    results = ReplaySerializer(many=True)


class ComparedSerializer(serializers.Serializer):
    job = JobSerializer()
    result = ResultSerializer(allow_null=True)


class JobComparisonSerializer(serializers.Serializer):
    """Two jobs side by side. `same_study`: whether their views can be held against each other."""

    left = ComparedSerializer()
    right = ComparedSerializer()
    same_study = serializers.BooleanField()
    differences = DifferenceSerializer(many=True)


class WorkerReadinessSerializer(serializers.Serializer):
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["ready", "loading", "refused"])
    code = serializers.CharField(allow_null=True)
    message = serializers.CharField(allow_null=True)


class ReadinessSerializer(serializers.Serializer):
    """How far the live workers are with a package. partial: some cannot serve it, others do."""

    state = serializers.ChoiceField(choices=["ready", "loading", "partial", "refused", "no_workers"])
    workers = WorkerReadinessSerializer(many=True)


class AgreementSerializer(serializers.Serializer):
    """How a candidate agrees with the package in service. `paired` false: two populations, no pairs."""

    candidate = serializers.CharField()
    mode = serializers.CharField()
    paired = serializers.BooleanField()
    jobs_compared = serializers.IntegerField()
    label_agreement = serializers.DictField(child=serializers.FloatField(allow_null=True))
    assessment_agreement = serializers.FloatField(allow_null=True)
    labels = serializers.ListField(child=serializers.CharField())
    confusion = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    probability_difference = serializers.DictField()
    suspicion_correlation = serializers.FloatField(allow_null=True)
    threshold_flips = serializers.IntegerField()
    latency = serializers.DictField()
    failures = serializers.DictField()
    suspicion = serializers.DictField()
    disagreements = serializers.ListField(child=serializers.DictField())
