"""The shapes of the registry's API as the OpenAPI document tells them, and the fields of its requests.

The documents are built in catalog.api.documents; a test holds both together.
"""

from __future__ import annotations

from rest_framework import serializers

from catalog.deployments import REASON_MAXIMUM
from catalog.models import CandidateMode, CheckState, RequestKind, RequestState
from catalog.requests import REASON_MINIMUM
from common.fields import StrictCharField, StrictFloatField

SCOPES = ["all", "site"]


class FailureWordsSerializer(serializers.Serializer):
    code = serializers.CharField()
    title = serializers.CharField()
    message = serializers.CharField()
    action = serializers.CharField()
    detail = serializers.CharField(allow_null=True)


class PackageLinkSerializer(serializers.Serializer):
    digest = serializers.CharField()
    name = serializers.CharField()
    version = serializers.CharField()
    title = serializers.CharField()


class PlacementSerializer(serializers.Serializer):
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=SCOPES)
    site = serializers.CharField(allow_null=True)


class CandidacySerializer(PlacementSerializer):
    mode = serializers.ChoiceField(choices=CandidateMode.choices)
    share = serializers.FloatField()


class MetricSerializer(serializers.Serializer):
    name = serializers.CharField()
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    method = serializers.CharField()


class PackageSerializer(PackageLinkSerializer):
    """A package as lists show it. `validation_state` is empty before the first validation."""

    task = serializers.CharField()
    classes = serializers.ListField(child=serializers.CharField())
    size_bytes = serializers.IntegerField()
    installed_at = serializers.DateTimeField()
    installed_by = serializers.CharField(allow_null=True)
    signed_by = serializers.CharField(allow_null=True)
    validation_state = serializers.ChoiceField(choices=["", *CheckState.values], allow_blank=True)
    archived_at = serializers.DateTimeField(allow_null=True)
    deployed_as = PlacementSerializer(many=True)
    candidate_of = CandidacySerializer(many=True)
    metrics = MetricSerializer(many=True)


class RequestSerializer(serializers.Serializer):
    """A change that someone asked for."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=RequestKind.choices)
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=SCOPES)
    site = serializers.CharField(allow_null=True)
    package = PackageLinkSerializer(allow_null=True)
    candidate_mode = serializers.CharField(allow_null=True)
    candidate_share = serializers.FloatField(allow_null=True)
    rules = serializers.DictField(child=serializers.FloatField())
    reason = serializers.CharField()
    requested_by = serializers.CharField(allow_null=True)
    requested_at = serializers.DateTimeField()
    apply_at = serializers.DateTimeField(allow_null=True)
    state = serializers.ChoiceField(choices=RequestState.choices)
    decided_by = serializers.CharField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    decision_reason = serializers.CharField(allow_blank=True)
    applied_at = serializers.DateTimeField(allow_null=True)
    failure = FailureWordsSerializer(allow_null=True)


class ChangeSerializer(serializers.Serializer):
    """One entry of the promotion history. `changed_by` null: the platform itself."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=SCOPES)
    site = serializers.CharField(allow_null=True)
    kind = serializers.ChoiceField(choices=RequestKind.choices)
    previous = PackageLinkSerializer(allow_null=True)
    package = PackageLinkSerializer()
    changed_by = serializers.CharField(allow_null=True)
    approved_by = serializers.CharField(allow_null=True)
    reason = serializers.CharField()
    detail = serializers.DictField()
    changed_at = serializers.DateTimeField()


class CandidateSerializer(serializers.Serializer):
    package = PackageSerializer()
    mode = serializers.ChoiceField(choices=CandidateMode.choices)
    share = serializers.FloatField()
    since = serializers.DateTimeField()


class DeploymentDetailSerializer(serializers.Serializer):
    """A pointer as administrators see it. `previous` is where a roll-back goes."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=SCOPES)
    site = serializers.CharField(allow_null=True)
    package = PackageSerializer()
    activated_at = serializers.DateTimeField(allow_null=True)
    candidate = CandidateSerializer(allow_null=True)
    rules = serializers.DictField(child=serializers.FloatField())
    previous = PackageLinkSerializer(allow_null=True)
    pending = RequestSerializer(many=True)
    history = ChangeSerializer(many=True)


class DeploymentDetailsSerializer(serializers.Serializer):
    results = DeploymentDetailSerializer(many=True)


class RequestsSerializer(serializers.Serializer):
    results = RequestSerializer(many=True)


class HistorySerializer(serializers.Serializer):
    results = ChangeSerializer(many=True)


class RequestOutcomeSerializer(serializers.Serializer):
    """`state` APPLIED: done. PENDING: a second administrator must approve. SCHEDULED: waits for its moment."""

    state = serializers.ChoiceField(choices=RequestState.choices)
    request = RequestSerializer()
    deployment = DeploymentDetailSerializer(allow_null=True)


class ScopedSerializer(serializers.Serializer):
    """`scope` site: only for the caller's own site. all: for every site, which takes a platform administrator."""

    scope = serializers.ChoiceField(choices=SCOPES, default="site")
    reason = StrictCharField(min_length=REASON_MINIMUM, max_length=REASON_MAXIMUM, help_text="Why; the history keeps it.")


class ActivateSerializer(ScopedSerializer):
    package = StrictCharField(max_length=71, help_text="The digest of a validated package.")
    apply_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Left out: now.")


class CandidateStartSerializer(ScopedSerializer):
    package = StrictCharField(max_length=71)
    mode = serializers.ChoiceField(choices=CandidateMode.choices)
    share = StrictFloatField(help_text="Share of the submissions, above 0 and at most 1.")


class RulesSerializer(ScopedSerializer):
    rules = serializers.DictField(
        child=StrictFloatField(),
        help_text="minimum_jobs, window_minutes, failure_share, latency_p95_seconds; empty: no automatic roll-back.",
    )


class DecisionSerializer(serializers.Serializer):
    reason = StrictCharField(max_length=REASON_MAXIMUM, required=False, allow_blank=True, default="")
