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


_SPACING: dict[str | None, str] = {
    "patient": "The pixel spacing is calibrated in the breast.",
    "detector": "The pixel spacing is that at the detector: magnification is not corrected, so the true area is smaller.",
    "unstated": "The image does not say whether its pixel spacing is that in the breast or at the detector.",
    None: "The image states no pixel spacing, so there is no area in square millimetres.",
}


_MEASURED: dict[str | None, str] = {
    "patient": "Lengths rest on the pixel spacing calibrated in the breast.",
    "detector": "Lengths rest on the pixel spacing at the detector: magnification is not corrected, so true lengths are shorter.",
    "unstated": "Lengths rest on the image's pixel spacing; it does not say whether that is in the breast or at the detector.",
    None: "The image states no pixel spacing, so lengths are in pixels.",
}


def measuring_text(spacing_plane: str | None) -> str:
    """What a length measured on the image rests on."""
    return _MEASURED.get(spacing_plane, _MEASURED["unstated"])


def segmentation_text(*, regions: int, maximum_probability: float, threshold: float, spacing_plane: str | None) -> str:
    """What the figures of a mask rest on, or that nothing was segmented."""
    if regions == 0:
        return (
            f"No lesion segmented: nowhere does the mask reach {threshold:.0%}. Its highest probability is "
            f"{_percent_below(maximum_probability, threshold)}."
        )
    return _SPACING.get(spacing_plane, _SPACING["unstated"])


def scaling_text(*, scaling: str, raw_maximum: float, scale_maximum: float) -> str:
    """What the colours of a heatmap mean, so that a weak map cannot pass for a strong one."""
    if scaling == "mask_probability":
        if raw_maximum <= 0:
            return "The mask is zero everywhere in this image, so it is left blank."
        return "Colours run from 0 to 100% probability, the same for every image; the line surrounds everything from 50%."
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


def _percent_below(value: float, limit: float) -> str:
    """A share below `limit` in percent, never rounded up to it."""
    return f"{min(value, limit - 0.001):.1%}"
