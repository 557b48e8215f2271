"""The package of the shipped film model: what it declares, and its files.

Everything a reader must be told about the model is said here once: the manifest for machines, the card (export.card) for people.
"""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model_registry.building.card import card_text
from model_registry.building.golden import golden_contents
from model_registry.evaluation.report import Evaluation, Predictions
from model_registry.export.onnx_export import ExportedModel
from model_registry.packaging import Package, package_write
from model_registry.packaging.profile import PreprocessingProfile
from model_registry.zoo.model import ZooModel
from model_registry.zoo.weights import weights_to_bytes

NAME = "dog-fpn-film"
VERSION = "1.0.0"
TITLE = "Film MLO abnormality, dog-fpn"
REFERENCE_PERCENTILE = 95.0
GOLDEN_TOLERANCE = 1e-3
WEIGHTS_PATH = "training/weights.npz"

STATEMENT = (
    "Demonstrates the platform on digitised film mammograms, for research only. Shows one suspicion score "
    "(abnormal against normal) "
    "with its heatmap. Not a medical device; not for diagnosis, triage or screening."
)
NOT_VALIDATED = (
    "The split between benign and malignant: see the figure among abnormal views.",
    "Calcifications: the network works at about 0.5 mm per pixel, too coarse for them; see their figure.",
    "Digital mammography and tomosynthesis: not tried with these weights; an AUC near chance (about 0.57) is to be expected.",
    "Cranio-caudal views, implants, and films after surgery.",
)
CITATION = (
    "Suckling J, Parker J, Dance D, Astley S, Hutt I, Boggis C, Ricketts I, Stamatakis E, Cerneaz N, Kok S, Taylor P, Betal D, "
    "Savage J (2015). Mammographic Image Analysis Society (MIAS) database v1.21. Apollo - University of Cambridge Repository. "
    "https://doi.org/10.17863/CAM.105113"
)
LICENCE = "For research only. Derived from MIAS v1.21 (CC BY) by way of its mini-MIAS reduction (research purposes only)"
TRAINING_DATA = "mini-MIAS: 322 digitised film mammograms (MLO) of 161 women, 512x512 pixels, 207 normal, 63 benign, 52 malignant"


def reference_maxima(*, predictions: Predictions, targets: Sequence[str]) -> dict[str, float]:
    """For each target the 95th percentile of the raw maps' maxima over the training images: the hottest colour's value."""
    assert predictions.heatmaps is not None
    maxima = predictions.heatmaps.max(axis=(2, 3))
    return {target: float(np.percentile(maxima[:, index], REFERENCE_PERCENTILE)) for index, target in enumerate(targets)}


def film_package_write(
    *,
    folder: Path,
    zoo_model: ZooModel,
    exported: ExportedModel,
    profile: PreprocessingProfile,
    evaluation: Evaluation,
    training_predictions: Predictions,
    training_command: str,
    seed: int,
    name: str = NAME,
    version: str = VERSION,
) -> Package:
    """Write `folder`/`name`-`version` with model, golden cases, card and trained weights. Raises as `package_write`."""
    golden, cases = golden_contents(
        model=exported.explained, profile=profile, tolerance=GOLDEN_TOLERANCE, classes=zoo_model.classes
    )
    point = evaluation.operating_point
    manifest: dict[str, object] = {
        "name": name,
        "version": version,
        "title": TITLE,
        "classes": zoo_model.classes,
        "input_shape": zoo_model.input_shape,
        "preprocessing": profile,
        "explanation": {
            "method": "grad-cam",
            "targets": zoo_model.targets,
            "cam_layer": exported.cam_layer,
            "grid_hw": exported.grid_hw,
            "reference_maximum": reference_maxima(predictions=training_predictions, targets=zoo_model.targets),
        },
        "suspicion": {
            "classes": ("benign", "malignant"),
            "target": "suspicion",
            "threshold": round(point.threshold, 6),
            "operating_point": (
                f"Chosen for 90 % specificity on out-of-fold predictions (calibrated): "
                f"sensitivity {point.sensitivity:.2f}, specificity {point.specificity:.2f}"
            ),
        },
        "calibration": {
            "temperature": round(evaluation.temperature, 6),
            "fitted_on": "pooled out-of-fold predictions of five-fold cross-validation by woman",
        },
        "intended_use": {
            "statement": STATEMENT,
            "views": ("MLO",),
            "acquisitions": ("film",),
            "not_validated": NOT_VALIDATED,
            "research_only": True,
        },
        "metrics": evaluation.metrics,
        "provenance": {
            "architecture": zoo_model.architecture,
            "training_data": TRAINING_DATA,
            "training_command": training_command,
            "citation": CITATION,
            "licence": LICENCE,
            "parameters": zoo_model.parameters,
            "seed": seed,
            "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "software": {package: importlib.metadata.version(package) for package in ("keras", "tf2onnx", "onnx", "onnxruntime")},
        },
        "golden": cases,
    }
    contents = {
        "model.onnx": exported.explained.SerializeToString(deterministic=True),
        "MODEL_CARD.md": card_text(manifest=manifest, evaluation=evaluation).encode(),
        WEIGHTS_PATH: weights_to_bytes(zoo_model.keras_model),
        **golden,
    }
    return package_write(folder=folder / f"{name}-{version}", manifest=manifest, contents=contents)
