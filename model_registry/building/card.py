"""The model card: the manifest's facts in the order in which a person needs them. Computes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def card_text(
    *, manifest: Mapping[str, Any], evaluated: Sequence[str] | None = None, note: str = "", training_note: str = ""
) -> str:
    """Markdown. With `evaluated`, the lines of evaluation.markdown (which this room may not know, as it is offline), every
    figure and plot is in it, and how to make the weights again; without, the manifest's figures.

    `note` is what else there is to know of the model, `training_note` how the weights that ship relate to the figures.
    """
    use, provenance, suspicion = manifest["intended_use"], manifest["provenance"], manifest["suspicion"]
    explanation = manifest["explanation"]
    maps = "Masks" if manifest.get("task") == "segmentation" else "Heatmaps"
    trained = (f"{provenance['training_data']}.", training_note)
    return "\n".join(
        [
            f"# {manifest['title']} ({manifest['name']} {manifest['version']})",
            "",
            f"**{use['statement']}**",
            "",
            *([note, ""] if note else []),
            "## What it is",
            f"{provenance['architecture']}, {provenance['parameters']:,} parameters. Classes, in order: "
            f"{', '.join(manifest['classes'])}. {maps}: {explanation['method']} at {explanation['cam_layer']}, "
            f"for {', '.join(explanation['targets'])}.",
            f"Suspicion is {' + '.join(suspicion['classes'])}, marked above {suspicion['threshold']:.3f}. "
            f"{suspicion['operating_point']}.",
            "",
            "## Trained on",
            " ".join(text for text in trained if text),
            "",
            *(_manifest_figures(manifest) if evaluated is None else evaluated),
            "## Limits",
            *[f"- {line}" for line in use["not_validated"]],
            "",
            *([] if evaluated is None else _again(provenance)),
            "## Source and licence",
            f"{provenance['citation']} {provenance['licence']}.".strip(),
            "",
        ]
    )


def _manifest_figures(manifest: Mapping[str, Any]) -> list[str]:
    figures = [f"- {metric['name']}: {metric['value']:.4g} ({metric['method']})" for metric in manifest["metrics"]]
    return ["## Figures", *(figures or ["None were measured."]), ""]


def _again(provenance: Mapping[str, Any]) -> list[str]:
    software = ", ".join(f"{name} {version}" for name, version in provenance["software"].items())
    return [
        "## Make it again",
        "```",
        str(provenance["training_command"]),
        "```",
        f"Seed {provenance['seed']}; {software}. The configuration as it was understood lies in `training/config.json`, the "
        "trained weights in `training/weights.npz`. Sums in a different order, on another machine, move the figures within their "
        "intervals.",
        "",
    ]
