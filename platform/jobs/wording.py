"""The words about a result that a person reads, in one place. Failures have theirs in inference_worker.contract.failures."""

from __future__ import annotations

from inference_worker.contract.results import Caution

CAUTIONS: dict[str, str] = {
    Caution.NO_BREAST_FOUND.value: "No breast was found in this image, so it was not assessed.",
    Caution.VIEW_UNKNOWN.value: "The image does not say which view it is.",
    Caution.LATERALITY_UNKNOWN.value: "The image does not say which breast it shows.",
    Caution.VIEW_OUTSIDE_INTENDED_USE.value: "The model was not made for this view; its answer is less trustworthy.",
    Caution.MODALITY_OUTSIDE_INTENDED_USE.value: (
        "The model was not made for this kind of acquisition; its answer is less trustworthy."
    ),
    Caution.WINDOW_ASSUMED.value: "The image does not say how to display it; a window was derived from its own values.",
}


def caution_message(code: str) -> str:
    """The words for a caution; one from a newer worker that has none yet is shown by its code."""
    return CAUTIONS.get(code, f"The worker marked this image: {code.replace('_', ' ')}.")


def scaling_text(*, scaling: str, raw_maximum: float, scale_maximum: float) -> str:
    """What the colours of a heatmap mean, so that a weak map cannot pass for a strong one."""
    if raw_maximum <= 0:
        return "The map is zero everywhere in this image, so it is left blank."
    if scaling == "package_reference" and scale_maximum > 0:
        return (
            "Colours run from 0 to the package's reference value for this target, the same for every image. "
            f"The strongest place of this image reaches {raw_maximum / scale_maximum:.0%} of it."
        )
    return (
        "Colours run from 0 to the highest value of any target in this image, "
        "so they cannot be compared with those of another image."
    )
