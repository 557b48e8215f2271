"""The shapes of jobs and their history, as the OpenAPI document tells them. The documents are built in jobs.api.documents."""

from __future__ import annotations

from rest_framework import serializers

from jobs.api.serializers import (
    PRIORITIES,
    STAGES,
    STATUSES,
    JobFailureSerializer,
    OutcomeSerializer,
    PackageReferenceSerializer,
    StudyReferenceSerializer,
)
from jobs.models import JobPurpose
from jobs.transitions import Happening


class ActionsSerializer(serializers.Serializer):
    """What may be asked of the job now."""

    cancel = serializers.BooleanField()
    retry = serializers.BooleanField()


class JobSerializer(serializers.Serializer):
    """One inference over one study with one pinned package."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    site = serializers.CharField(help_text="Its slug.")
    study = StudyReferenceSerializer()
    status = serializers.ChoiceField(choices=STATUSES)
    stage = serializers.ChoiceField(choices=STAGES, allow_null=True)
    attempt = serializers.IntegerField()
    max_attempts = serializers.IntegerField()
    priority = serializers.ChoiceField(choices=PRIORITIES)
    deployment = serializers.CharField()
    purpose = serializers.ChoiceField(
        choices=JobPurpose.choices,
        help_text="clinical: a submission. rerun: again, on request. Others are for administrators.",
    )
    origin = serializers.UUIDField(allow_null=True, help_text="The job this one repeats.")
    is_canary = serializers.BooleanField(help_text="Served by the deployment's canary candidate.")
    package = PackageReferenceSerializer()
    queue_position = serializers.IntegerField(allow_null=True, help_text="1 is next; null when not queued.")
    eta_seconds = serializers.IntegerField(
        allow_null=True, help_text="From measured throughput; null when nothing was measured yet."
    )
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    failure = JobFailureSerializer(allow_null=True)
    result_url = serializers.CharField(allow_null=True)
    outcome = OutcomeSerializer(allow_null=True)
    unread = serializers.BooleanField(help_text="A result that you have not opened.")
    actions = ActionsSerializer()


class JobCountsSerializer(serializers.Serializer):
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="How many jobs are in each status.")
    unread = serializers.IntegerField(help_text="How many results the caller has not read; counted up to 100.")


class EventSerializer(serializers.Serializer):
    """One change of a job."""

    kind = serializers.ChoiceField(choices=[happening.value for happening in Happening])
    from_status = serializers.ChoiceField(choices=STATUSES, allow_null=True)
    to_status = serializers.ChoiceField(choices=STATUSES)
    stage = serializers.ChoiceField(choices=STAGES, allow_null=True)
    attempt = serializers.IntegerField()
    actor = serializers.CharField(allow_blank=True)
    detail = serializers.CharField(allow_blank=True)
    occurred_at = serializers.DateTimeField()


class EventsSerializer(serializers.Serializer):
    results = EventSerializer(many=True)
