"""The model card: the manifest's facts in the order in which a person needs them. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from model_registry.packaging.manifest import Metric


class Measured(Protocol):
    """What a card says of an evaluation. A shape and no import: evaluating is offline, and this room is not."""

    @property
    def metrics(self) -> tuple[Metric, ...]: ...

    @property
    def temperature(self) -> float: ...


def card_text(*, manifest: Mapping[str, Any], evaluation: Measured | None, note: str = "") -> str:
    """Markdown. Every figure stands with its 95 % interval and how it was measured; without evaluation, the manifest's."""
    if evaluation is None:
        return _plain_card(manifest, note)
    use, provenance = manifest["intended_use"], manifest["provenance"]
    rows = [f"| {m.name} | {m.value:.3f} | {m.low:.3f} to {m.high:.3f} |" for m in evaluation.metrics if m.low is not None]
    limits = [f"- {line}" for line in use["not_validated"]]
    sizes = ", ".join(f"{name} {version}" for name, version in provenance["software"].items())
    classes = ", ".join(manifest["classes"])
    return "\n".join(
        [
            f"# {manifest['title']} ({manifest['name']} {manifest['version']})",
            "",
            f"**{use['statement']}**",
            "",
            "## What it is",
            f"A convolutional network of {provenance['parameters']:,} parameters ({provenance['architecture']}), trained "
            "from scratch. "
            "A fixed difference-of-Gaussians stem feeds a small feature pyramid; two maps, benign and malignant, are "
            "supervised cell by "
            "cell with the lesion circles of the training films, and log-sum-exp pooling over the breast makes the image's "
            "logits from "
            f"them. Classes, in order: {classes}. The heatmaps are Grad-CAM at the last layer before the maps, computed "
            "inside the graph. "
            f"“suspicion” explains the log-odds of abnormal against normal, and “normal” is its negation.",
            "",
            "## Trained on",
            f"{provenance['training_data']}. The shipped weights saw all of it; the figures below are those of the recipe, "
            "each image judged by a network that saw no film of the same woman. The number of epochs was fixed beforehand.",
            "",
            "## Figures",
            f"{evaluation.metrics[0].method}. 95 % intervals by bootstrap over women.",
            "",
            "| Figure | Value | 95 % interval |",
            "|---|---|---|",
            *rows,
            "",
            "The pointing game counts an abnormal view as a hit when the heatmap's highest cell lies inside one of its "
            "lesion circles "
            "(or within half a cell of its centre). Chance is about 3 %.",
            "",
            f"Calibration: temperature {evaluation.temperature:.3f}, {manifest['calibration']['fitted_on']}. The "
            "calibration error above is "
            "measured on the same predictions and therefore optimistic.",
            f"Operating point: calibrated suspicion above {manifest['suspicion']['threshold']:.3f}. "
            f"{manifest['suspicion']['operating_point']}.",
            "",
            "## Limits",
            *limits,
            "- A figure near 0.9 on this collection would mean a leak, not a better model.",
            "- The training films come from one archive in the United Kingdom of the 1990s. Age, ethnicity and scanner are "
            "not recorded, "
            "so nothing is known about groups other than breast density.",
            "- The hottest colour of a heatmap is the 95th percentile of the maxima over the training films, which the "
            "network knows; "
            "on unseen films maps are somewhat weaker.",
            "",
            "## Make it again",
            "```",
            str(provenance["training_command"]),
            "```",
            f"Seed {provenance['seed']}; {sizes}. The trained weights lie in `training/weights.npz`. "
            "Sums in a different order, on another machine, move the figures within their intervals.",
            "",
            "## Source and licence",
            f"{provenance['citation']} "
            "Original description: Suckling J et al (1994), The Mammographic Image Analysis Society Digital Mammogram "
            "Database, Exerpta "
            "Medica, International Congress Series 1069, pp 375-378. Changes made: the 200-micron reduction averaged 2x2 "
            "to 512x512 pixels. "
            "No image of the collection is part of this package; its golden inputs are drawings.",
            "",
            f"{provenance['licence']}.",
            "",
        ]
    )


def _plain_card(manifest: Mapping[str, Any], note: str) -> str:
    use, provenance, suspicion = manifest["intended_use"], manifest["provenance"], manifest["suspicion"]
    explanation = manifest["explanation"]
    figures = [f"- {metric['name']}: {metric['value']:.4g} ({metric['method']})" for metric in manifest["metrics"]]
    return "\n".join(
        [
            f"# {manifest['title']} ({manifest['name']} {manifest['version']})",
            "",
            f"**{use['statement']}**",
            "",
            *([note, ""] if note else []),
            "## What it is",
            f"{provenance['architecture']}, {provenance['parameters']:,} parameters. Classes, in order: "
            f"{', '.join(manifest['classes'])}. Heatmaps: {explanation['method']} at {explanation['cam_layer']}, "
            f"for {', '.join(explanation['targets'])}.",
            f"Suspicion is {' + '.join(suspicion['classes'])}, marked above {suspicion['threshold']:.3f}. "
            f"{suspicion['operating_point']}.",
            "",
            "## Trained on",
            f"{provenance['training_data']}.",
            "",
            "## Figures",
            *(figures or ["None were measured."]),
            "",
            "## Limits",
            *[f"- {line}" for line in use["not_validated"]],
            "",
            "## Source and licence",
            f"{provenance['citation']} {provenance['licence']}.".strip(),
            "",
        ]
    )
