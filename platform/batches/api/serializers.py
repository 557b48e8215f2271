"""The shapes of batches as the OpenAPI document tells them. Manifests are read by batches.manifest, not by these."""

from __future__ import annotations

from rest_framework import serializers

from batches.models import Duplicates, QuarantineState, SourceState
from batches.states import BatchState, ItemStatus
from common.fields import StrictBooleanField, StrictCharField, StrictIntegerField, StrictRegexField, StrictUUIDField
from inference_worker.contract.queues import ORDER_QUEUES
from jobs.api.serializers import FailureSerializer, ResultSerializer

_PRIORITY = list(ORDER_QUEUES)


class MetadataField(serializers.DictField):
    """Up to 16 texts of up to 512 characters; must not identify a patient."""

    child = StrictCharField(max_length=512, allow_blank=True)


class ManifestItemSerializer(serializers.Serializer):
    """One study: the uploads of its files (or one ZIP of it), or the folder where they lie, or the uploads that were made with
    this batch and custom_id."""

    custom_id = StrictRegexField(
        r"^[A-Za-z0-9][A-Za-z0-9._:/#+-]{0,63}$", help_text="Yours, once in the batch. Must not identify a patient."
    )
    external_id = StrictCharField(required=False, allow_blank=True, max_length=128)
    uploads = serializers.ListField(child=StrictUUIDField(), required=False)
    prefix = StrictCharField(required=False, max_length=500)
    priority = serializers.ChoiceField(choices=_PRIORITY, required=False)
    deployment = StrictCharField(required=False, allow_blank=True, max_length=50)
    metadata = MetadataField(required=False)


class ManifestPartSerializer(serializers.Serializer):
    """What can be added while a batch is open."""

    items = ManifestItemSerializer(many=True, required=False)
    archives = serializers.ListField(
        child=StrictUUIDField(), required=False, help_text="Uploads that are ZIPs: each study in them becomes an item."
    )
    prefixes = serializers.ListField(
        child=StrictCharField(max_length=500),
        required=False,
        help_text="Places that the operator opened to the site: each study in them becomes an item.",
    )


class ManifestSerializer(ManifestPartSerializer):
    """A batch to be made; every field may be left out."""

    name = StrictCharField(required=False, allow_blank=True, max_length=100)
    priority = serializers.ChoiceField(choices=_PRIORITY, default="routine")
    deployment = StrictCharField(required=False, allow_blank=True, max_length=50)
    metadata = MetadataField(required=False)
    auto_start = StrictBooleanField(default=False)
    expires_after_seconds = StrictIntegerField(default=604_800, min_value=60, max_value=2_592_000)
    duplicates = serializers.ChoiceField(
        choices=Duplicates.choices,
        default=Duplicates.REUSE.value,
        help_text="A study whose very files the site has sent before: reuse its result or share its run, rerun it, or refuse it.",
    )


class RetrySerializer(serializers.Serializer):
    statuses = serializers.ListField(child=serializers.ChoiceField(choices=["failed", "cancelled"]), default=["failed"])


class ReleaseSerializer(serializers.Serializer):
    """What was mended; `{}` tries the same again."""

    uploads = serializers.ListField(child=StrictUUIDField(), required=False)
    prefix = StrictCharField(required=False, max_length=500)
    deployment = StrictCharField(required=False, allow_blank=True, max_length=50)
    duplicates = serializers.ChoiceField(choices=Duplicates.choices, required=False)


class RequestCountsSerializer(serializers.Serializer):
    """How many items are in each status; `total` is their sum."""

    total = serializers.IntegerField()
    pending = serializers.IntegerField(help_text="Accepted, files not taken in yet.")
    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    quarantined = serializers.IntegerField()


class BatchSourceSerializer(serializers.Serializer):
    archive = serializers.UUIDField(allow_null=True)
    prefix = serializers.CharField(allow_null=True)
    state = serializers.ChoiceField(choices=SourceState.choices)
    items = serializers.IntegerField()


class BatchActionsSerializer(serializers.Serializer):
    append = serializers.BooleanField()
    close = serializers.BooleanField()
    cancel = serializers.BooleanField()
    retry = serializers.BooleanField()


class BatchSerializer(serializers.Serializer):
    """Many studies, handed over together. Each `…_at` is the latest time the state was reached."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(choices=BatchState.choices)
    priority = serializers.ChoiceField(choices=_PRIORITY)
    deployment = serializers.CharField(allow_blank=True)
    metadata = MetadataField()
    duplicates = serializers.ChoiceField(choices=Duplicates.choices)
    expires_after_seconds = serializers.IntegerField()
    request_counts = RequestCountsSerializer()
    sources = BatchSourceSerializer(many=True)
    queue_position = serializers.IntegerField(allow_null=True, help_text="Of the batch's next waiting job among all; 1 is next.")
    eta_seconds = serializers.IntegerField(allow_null=True, help_text="Until its last item should end; null while not measured.")
    failure = FailureSerializer(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    validating_at = serializers.DateTimeField(allow_null=True)
    in_progress_at = serializers.DateTimeField(allow_null=True)
    finalizing_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    failed_at = serializers.DateTimeField(allow_null=True)
    expired_at = serializers.DateTimeField(allow_null=True)
    cancelling_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    items_url = serializers.CharField()
    results_url = serializers.CharField()
    heatmaps_url = serializers.CharField()
    actions = BatchActionsSerializer()


class FileProblemSerializer(serializers.Serializer):
    """What is wrong with one file, by its place."""

    index = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()


class ItemFailureSerializer(FailureSerializer):
    detail = serializers.CharField(allow_blank=True, help_text="For engineers.")
    files = FileProblemSerializer(many=True)


class ItemJobSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    url = serializers.CharField()
    result_url = serializers.CharField(allow_null=True)


class BatchItemSerializer(serializers.Serializer):
    """One study of a batch. `reused`: its job is that of an earlier submission of the same files."""

    custom_id = serializers.CharField()
    position = serializers.IntegerField()
    external_id = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=ItemStatus.choices)
    priority = serializers.ChoiceField(choices=_PRIORITY)
    deployment = serializers.CharField(allow_blank=True)
    metadata = MetadataField()
    uploads = serializers.ListField(child=serializers.UUIDField())
    prefix = serializers.CharField(allow_null=True)
    archive = serializers.UUIDField(allow_null=True)
    reused = serializers.BooleanField()
    study = serializers.UUIDField(allow_null=True)
    job = ItemJobSerializer(allow_null=True)
    failure = ItemFailureSerializer(allow_null=True)
    quarantine_url = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class QuarantineSerializer(serializers.Serializer):
    """An item that was kept aside; `failure` is null again once it has been released."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    batch = serializers.UUIDField()
    custom_id = serializers.CharField()
    external_id = serializers.CharField(allow_blank=True)
    state = serializers.ChoiceField(choices=QuarantineState.choices)
    failure = ItemFailureSerializer(allow_null=True)
    uploads = serializers.ListField(child=serializers.UUIDField())
    prefix = serializers.CharField(allow_null=True)
    archive = serializers.UUIDField(allow_null=True)
    quarantined_at = serializers.DateTimeField()
    purged_at = serializers.DateTimeField(allow_null=True, help_text="When it is given up by itself.")


class ImageIdentifierSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    position = serializers.IntegerField()
    sop_instance_uid = serializers.CharField()


class IdentifiersSerializer(serializers.Serializer):
    """The hospital's own, for callers of the site that sent the study."""

    study_instance_uid = serializers.CharField(allow_null=True)
    patient_id = serializers.CharField(allow_null=True)
    accession_number = serializers.CharField(allow_null=True)
    images = ImageIdentifierSerializer(many=True)


class ResultLineSerializer(serializers.Serializer):
    """One line of the results."""

    custom_id = serializers.CharField()
    position = serializers.IntegerField()
    external_id = serializers.CharField(allow_blank=True)
    metadata = MetadataField()
    status = serializers.ChoiceField(choices=ItemStatus.choices)
    reused = serializers.BooleanField()
    study = serializers.UUIDField(allow_null=True)
    job = serializers.UUIDField(allow_null=True)
    result = ResultSerializer(allow_null=True)
    failure = ItemFailureSerializer(allow_null=True)
    identifiers = IdentifiersSerializer(allow_null=True)
