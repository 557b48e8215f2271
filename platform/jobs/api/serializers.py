"""The shapes of API v1 as the OpenAPI document tells them, and the fields of a submission.

The documents themselves are built in jobs.api.documents and jobs.api.result_document; a test holds both together.
"""

from __future__ import annotations

from rest_framework import serializers

from common.fields import StrictCharField, StrictUUIDField
from inference_worker.contract.events import JobStage
from inference_worker.contract.queues import Priority
from inference_worker.contract.results import VOI_FUNCTIONS, WINDOW_SOURCES, Assessment
from jobs.models import JobStatus

STATUSES = JobStatus.choices
STAGES = [stage.value for stage in JobStage]
PRIORITIES = [priority.value for priority in Priority]
ASSESSMENTS = [assessment.value for assessment in Assessment]
_LATERALITY = ["L", "R"]


class ScoresField(serializers.DictField):
    """One number for each class, in the package's class order."""

    child = serializers.FloatField()


class SubmissionSerializer(serializers.Serializer):
    """A study to submit. `image_laterality` and `view_position`, where given, are repeated once for each file, in order."""

    files = serializers.ListField(child=serializers.FileField(), required=False)
    external_id = StrictCharField(
        required=False,
        allow_blank=True,
        max_length=128,
        help_text="Your own reference, returned with the study. It must not identify a patient.",
    )
    priority = serializers.ChoiceField(choices=PRIORITIES, default=Priority.ROUTINE.value)
    deployment = StrictCharField(required=False, allow_blank=True, max_length=50, help_text="Left out: the default.")
    image_laterality = serializers.ListField(
        child=serializers.ChoiceField(choices=["", *_LATERALITY], allow_blank=True), required=False
    )
    view_position = serializers.ListField(child=StrictCharField(allow_blank=True, max_length=16), required=False)


class UploadedSubmissionSerializer(SubmissionSerializer):
    """A study whose files have arrived as uploads; each upload can be used once. Lists are in the order of `uploads`."""

    files = None  # type: ignore[assignment]
    uploads = serializers.ListField(child=StrictUUIDField(), min_length=1, help_text="Ids of finished uploads, kind “file”.")


class JobReferenceSerializer(serializers.Serializer):
    """Where to follow the job."""

    id = serializers.UUIDField()
    url = serializers.CharField()


class AcceptedSerializer(serializers.Serializer):
    """The study's id and its job."""

    id = serializers.UUIDField()
    job = JobReferenceSerializer()


class StudyReferenceSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    external_id = serializers.CharField(allow_blank=True)
    is_sample = serializers.BooleanField(help_text="The synthetic sample that ships with the platform: no person's study.")


class PackageReferenceSerializer(serializers.Serializer):
    name = serializers.CharField()
    version = serializers.CharField()
    digest = serializers.CharField()


class FailureSerializer(serializers.Serializer):
    """What went wrong and what to do about it. Match on `code` alone."""

    code = serializers.CharField()
    title = serializers.CharField()
    message = serializers.CharField()
    action = serializers.CharField()
    retryable = serializers.BooleanField()


class CatalogueEntrySerializer(FailureSerializer):
    responsibility = serializers.ChoiceField(choices=["input", "model", "system"])


class CatalogueSerializer(serializers.Serializer):
    results = CatalogueEntrySerializer(many=True)


class JobFailureSerializer(FailureSerializer):
    detail = serializers.CharField(allow_blank=True, help_text="For engineers.")


class OutcomeSerializer(serializers.Serializer):
    assessment = serializers.ChoiceField(choices=ASSESSMENTS)
    label = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # DRF keeps fields apart from attributes
    suspicion = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True, help_text="The package's operating point for suspicion.")
    above_threshold = serializers.BooleanField(allow_null=True, help_text="Whether suspicion reaches the threshold.")


class JobSummarySerializer(serializers.Serializer):
    """A job as its study shows it."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    stage = serializers.ChoiceField(choices=STAGES, allow_null=True)
    priority = serializers.ChoiceField(choices=PRIORITIES)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    failure = JobFailureSerializer(allow_null=True)
    outcome = OutcomeSerializer(allow_null=True)


class ImageSerializer(serializers.Serializer):
    """One image of a study, as stored."""

    id = serializers.UUIDField()
    position = serializers.IntegerField()
    image_laterality = serializers.ChoiceField(choices=_LATERALITY, allow_null=True)
    view_position = serializers.CharField(allow_null=True)
    rows = serializers.IntegerField()
    columns = serializers.IntegerField()
    media_type = serializers.CharField()
    modality = serializers.CharField(allow_null=True)


class StudySerializer(serializers.Serializer):
    """One examination."""

    id = serializers.UUIDField()
    external_id = serializers.CharField(allow_blank=True)
    is_sample = serializers.BooleanField(help_text="The synthetic sample that ships with the platform: no person's study.")
    created_at = serializers.DateTimeField()
    image_count = serializers.IntegerField()
    latest_job = JobSummarySerializer(allow_null=True)


class StudyDetailSerializer(StudySerializer):
    images = ImageSerializer(many=True)


class ScoredSerializer(serializers.Serializer):
    """Scores of an image, a breast or the study; all null where it is not assessable."""

    assessment = serializers.ChoiceField(choices=ASSESSMENTS)
    label = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # DRF keeps fields apart from attributes
    probabilities = ScoresField(allow_null=True)
    calibrated_probabilities = ScoresField(allow_null=True)
    suspicion = serializers.FloatField(allow_null=True)


class ResultStudySerializer(ScoredSerializer):
    id = serializers.UUIDField()
    external_id = serializers.CharField(allow_blank=True)
    is_sample = serializers.BooleanField(help_text="The synthetic sample that ships with the platform: no person's study.")


class ResultBreastSerializer(ScoredSerializer):
    image_laterality = serializers.ChoiceField(choices=_LATERALITY, allow_null=True)


class CautionSerializer(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()


class PreviewSerializer(serializers.Serializer):
    url = serializers.CharField()
    rows = serializers.IntegerField()
    columns = serializers.IntegerField()


class HeatmapSerializer(serializers.Serializer):
    """One target's map: Grad-CAM, or the mask of a segmentation model. `raw_maximum` is before any scaling; `scaling_text` says
    what the colours mean."""

    target = serializers.CharField()
    url = serializers.CharField()
    overlay_url = serializers.CharField(allow_null=True)
    outline_url = serializers.CharField(
        allow_null=True, help_text="A line around the segmented regions; null where there are none, and for heatmaps."
    )
    raw_maximum = serializers.FloatField()
    scale_maximum = serializers.FloatField()
    scaling = serializers.ChoiceField(choices=["package_reference", "image_maximum", "mask_probability"])
    scaling_text = serializers.CharField()


class SegmentationSerializer(serializers.Serializer):
    """What one target's mask covers in one image: everything where its probability is at least `threshold`."""

    target = serializers.CharField()
    threshold = serializers.FloatField()
    maximum_probability = serializers.FloatField()
    regions = serializers.IntegerField(help_text="Connected by edge or corner.")
    area_pixels = serializers.FloatField(help_text="In pixels of the original image, counted on the model's own grid.")
    area_mm2 = serializers.FloatField(allow_null=True, help_text="Null where the image states no pixel spacing.")
    spacing_plane = serializers.ChoiceField(
        choices=["patient", "detector", "unstated"],
        allow_null=True,
        help_text="Where the spacing behind area_mm2 was measured; at the detector, magnification is not corrected.",
    )
    text = serializers.CharField()


class WindowSerializer(serializers.Serializer):
    centre = serializers.FloatField()
    width = serializers.FloatField()


class VoiTableSerializer(serializers.Serializer):
    """The file's own display table at the end of the pixels' file, as a zlib stream: a grey from 0 to 255 for each modality
    value from `first` on; values before and past it take its ends."""

    first = serializers.IntegerField()
    entries = serializers.IntegerField()
    length = serializers.IntegerField(help_text="Bytes of the stream, the last of the file.")


class PixelsSerializer(serializers.Serializer):
    """The stored values of a view at full size, and how they are meant to be shown. The file holds the high bytes of all
    values as a zlib stream, then their low bytes; row by row, from the top left."""

    url = serializers.CharField()
    rows = serializers.IntegerField()
    columns = serializers.IntegerField()
    high_length = serializers.IntegerField(help_text="Length of the first stream; 0 where every value fits one byte.")
    low_deflated = serializers.BooleanField(help_text="Whether the low bytes are a zlib stream, too.")
    value_offset = serializers.IntegerField(help_text="Added to what the two bytes hold, it gives the stored value.")
    bits_stored = serializers.IntegerField()
    slope = serializers.FloatField(help_text="Modality value = stored value × slope + intercept.")
    intercept = serializers.FloatField()
    inverted = serializers.BooleanField(help_text="MONOCHROME1: shown inverted, dense tissue is bright.")
    windows = WindowSerializer(many=True, help_text="In modality values; the first is the one to begin with.")
    window_source = serializers.ChoiceField(choices=list(WINDOW_SOURCES))
    voi_function = serializers.ChoiceField(choices=list(VOI_FUNCTIONS))
    padding = serializers.ListField(
        child=serializers.IntegerField(), help_text="Inclusive range of stored values that are no image; empty without one."
    )
    voi_table = VoiTableSerializer(
        allow_null=True, help_text="Shown in the place of the first window, which covers the range in which it rises."
    )


class ResultImageSerializer(ScoredSerializer):
    id = serializers.UUIDField()
    position = serializers.IntegerField(allow_null=True)
    image_laterality = serializers.ChoiceField(choices=_LATERALITY, allow_null=True)
    view_position = serializers.CharField(allow_null=True)
    logits = ScoresField(allow_null=True)
    cautions = CautionSerializer(many=True)
    preview = PreviewSerializer()
    heatmaps = HeatmapSerializer(many=True)
    raw_maps_url = serializers.CharField(
        allow_null=True, help_text="float32 .npy of shape (targets, rows, columns), targets in the result's order."
    )
    maps_from_source = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        help_text="2 x 3 matrix, row by row: (column, row) pixel centres of the original to those of the raw maps.",
    )
    pixels = PixelsSerializer(
        allow_null=True, help_text="Null where the worker keeps none (VIEWER_PIXELS), and for older results."
    )
    pixel_spacing_mm = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="(row, column) spacing of the original."
    )
    spacing_plane = serializers.ChoiceField(
        choices=["patient", "detector", "unstated"],
        allow_null=True,
        help_text="Where pixel_spacing_mm was measured; null where the image states no spacing.",
    )
    measuring_text = serializers.CharField(help_text="What a length measured on this image rests on.")
    patient_orientation = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Directions of rows and columns, as the header states them."
    )
    original_url = serializers.CharField(help_text="The de-identified file.")
    segmentations = SegmentationSerializer(many=True, help_text="One for each target of a segmentation model; else empty.")


class SuspicionSerializer(serializers.Serializer):
    threshold = serializers.FloatField()
    operating_point = serializers.CharField(allow_blank=True)
    target = serializers.CharField()
    classes = serializers.ListField(child=serializers.CharField())


class IntendedUseSerializer(serializers.Serializer):
    statement = serializers.CharField()
    views = serializers.ListField(child=serializers.CharField())
    acquisitions = serializers.ListField(child=serializers.CharField())
    not_validated = serializers.ListField(child=serializers.CharField())


class ResultPackageSerializer(PackageReferenceSerializer):
    title = serializers.CharField()
    preprocessing_digest = serializers.CharField()
    explanation_method = serializers.CharField()


class ResultSerializer(serializers.Serializer):
    """What the successful attempt found, and what produced it. Research use only."""

    job = serializers.UUIDField()
    task = serializers.ChoiceField(
        choices=["classification", "segmentation"],
        help_text="With segmentation, the maps under heatmaps are masks and package.explanation_method is mask.",
    )
    study = ResultStudySerializer()
    breasts = ResultBreastSerializer(many=True)
    images = ResultImageSerializer(many=True)
    classes = serializers.ListField(child=serializers.CharField())
    targets = serializers.ListField(child=serializers.CharField())
    suspicion = SuspicionSerializer()
    intended_use = IntendedUseSerializer()
    package = ResultPackageSerializer()
    provider = serializers.CharField()
    elapsed_seconds = serializers.DictField(child=serializers.FloatField())
    disclaimer = serializers.CharField()


class PriorsSerializer(serializers.Serializer):
    results = StudySerializer(many=True)


class CardSerializer(serializers.Serializer):
    """The package behind a result as its maker describes it. `card` is Markdown, null when the object store has lost it."""

    name = serializers.CharField()
    version = serializers.CharField()
    title = serializers.CharField()
    digest = serializers.CharField()
    intended_use = IntendedUseSerializer()
    card = serializers.CharField(allow_null=True)


class ProblemSerializer(serializers.Serializer):
    """RFC 9457 problem document. Match on `code`; the words may change."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    action = serializers.CharField()
    errors = serializers.ListField(child=serializers.DictField(), required=False)  # type: ignore[assignment]
    instance = serializers.CharField(required=False)
