"""Views → breasts → study, as the package declares. Pure: takes and returns result records.

Views whose laterality nobody knows form a breast of their own with laterality None: they are never guessed onto a side.
What is not assessable takes no part; a breast or study without an assessed member is itself not assessable.
"""

from __future__ import annotations

from collections.abc import Sequence

from inference_worker.contract.results import AggregateResult, Assessment, ImageResult
from inference_worker.scoring import Scores, most_probable
from model_registry.packaging import Manifest

_LATERALITY_ORDER: tuple[str | None, ...] = ("L", "R", None)


def breasts_aggregate(*, images: Sequence[ImageResult], manifest: Manifest) -> tuple[AggregateResult, ...]:
    """One record per breast that has images: left, right, unknown."""
    present = {image.image_laterality for image in images}
    return tuple(
        _aggregate(
            members=[_of_image(image) for image in images if image.image_laterality == laterality],
            rule=manifest.aggregation.image_to_breast,
            image_laterality=laterality,
        )
        for laterality in _LATERALITY_ORDER
        if laterality in present
    )


def study_aggregate(*, breasts: Sequence[AggregateResult], manifest: Manifest) -> AggregateResult:
    """The whole study from its breasts."""
    return _aggregate(members=breasts, rule=manifest.aggregation.breast_to_study, image_laterality=None)


def _of_image(image: ImageResult) -> AggregateResult:
    return AggregateResult(
        assessment=image.assessment,
        image_laterality=image.image_laterality,
        label=image.label,
        probabilities=image.probabilities,
        calibrated_probabilities=image.calibrated_probabilities,
        suspicion=image.suspicion,
    )


def _aggregate(*, members: Sequence[AggregateResult], rule: str, image_laterality: str | None) -> AggregateResult:
    assessed = [member for member in members if member.assessment is Assessment.ASSESSED]
    if not assessed:
        return AggregateResult(assessment=Assessment.NOT_ASSESSABLE, image_laterality=image_laterality)
    if rule == "max_suspicion":
        assessed = [max(assessed, key=lambda member: member.suspicion or 0.0)]
    probabilities = _mean([member.probabilities for member in assessed])
    calibrated = _mean([member.calibrated_probabilities for member in assessed])
    suspicions = [member.suspicion or 0.0 for member in assessed]
    return AggregateResult(
        assessment=Assessment.ASSESSED,
        image_laterality=image_laterality,
        label=most_probable(calibrated or probabilities or {}),
        probabilities=probabilities,
        calibrated_probabilities=calibrated,
        suspicion=sum(suspicions) / len(suspicions),
    )


def _mean(scores: Sequence[Scores | None]) -> Scores | None:
    """Label by label; None when any member lacks them, because a mean over some members would be a different number."""
    known = [score for score in scores if score is not None]
    if len(known) != len(scores):
        return None
    return {label: sum(score[label] for score in known) / len(known) for label in known[0]}
