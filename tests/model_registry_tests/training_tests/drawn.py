"""Small drawn samples and collections: flat breasts with noise and, where abnormal, one bright spot. No patient's image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from model_registry.datasets.records import ImageRecord
from model_registry.training.config import TrainingConfig
from model_registry.training.loop import Input
from model_registry.training.samples import Sample

ROWS, COLUMNS = 128, 96


def breast(
    *,
    lesion: tuple[float, float, float] | None,
    seed: int,
    rows: int = ROWS,
    columns: int = COLUMNS,
    breast_columns: int = COLUMNS,
) -> np.ndarray:
    """(rows, columns, 2: picture, mask) float32; `lesion` is (column, row, radius)."""
    random = np.random.default_rng(seed)
    mask = np.zeros((rows, columns), dtype=np.float32)
    mask[:, :breast_columns] = 1
    v = 0.4 + random.normal(0, 0.03, mask.shape)
    if lesion is not None:
        grid_rows, grid_columns = np.mgrid[0:rows, 0:columns]
        v += 0.7 * np.exp(-0.5 * (np.hypot(grid_columns - lesion[0], grid_rows - lesion[1]) / (0.4 * lesion[2])) ** 2)
    return np.stack([v * mask, mask], axis=-1).astype(np.float32)


def sample_of(
    folder: Path,
    tensor: np.ndarray,
    *,
    label: int,
    seed: int,
    fold: int = 0,
    group: str = "",
    lesion: tuple[float, float, float] | None = None,
    is_located: bool = True,
) -> Sample:
    path = folder / f"drawn{seed}.npy"
    np.save(path, tensor.astype(np.float32))
    record = ImageRecord(image_id=f"drawn{seed}", path=path, media_type="image/png", label=str(label))
    lesions = np.array([[*lesion, label]]) if lesion else np.zeros((0, 4))
    return Sample(f"drawn{seed}", label, group or f"p{seed}", fold, record, f"{seed:064x}", path, lesions, is_located)


def films(folder: Path, *, count: int = 12, rows: int = ROWS, columns: int = COLUMNS) -> list[Sample]:
    """Film samples (picture, mask) of three labels in two folds, abnormal ones with a spot whose place varies."""
    found = []
    for index in range(count):
        lesion = (30.0 + 3 * index, 40.0 + 2 * index, 12.0) if index % 3 else None
        tensor = breast(lesion=lesion, seed=index, rows=rows, columns=columns)
        found.append(sample_of(folder, tensor, label=index % 3, seed=index, fold=(index // 3) % 2, lesion=lesion))
    return found


def pictures(
    folder: Path, *, count: int = 12, size: int = 32, labels: int = 2, scale: float = 1.0, channels: int = 1
) -> list[Sample]:
    """Square samples whose mean brightness is their label, in two folds."""
    random = np.random.default_rng(0)
    found = []
    for index in range(count):
        label = index % labels
        tensor = np.clip(0.2 + 0.6 * label / labels + random.normal(0, 0.05, (size, size, 1)), 0, 1) * scale
        tensor = np.repeat(tensor, channels, axis=-1)
        found.append(sample_of(folder, tensor, label=label, seed=index, fold=(index // labels) % 2))
    return found


def given_of(samples: list[Sample], *, has_mask: bool = False, full_scale: float = 1.0) -> Input:
    rows, columns, channels = samples[0].tensor.shape
    return Input((rows, columns, channels), has_mask, full_scale)


def config_of(**changes: Any) -> TrainingConfig:
    """A two-label configuration of the smallest family; sections in `changes` are merged into it."""
    content: dict[str, Any] = {
        "data": {"path": "none"},
        "model": {"family": "narrower", "labels": ["benign", "malignant"]},
        "preprocessing": "grey-224",
        "loss": {"kind": "categorical-crossentropy"},
        "phases": [{"epochs": 2, "learning_rate": 1e-3}],
        "batch_size": 4,
        "output": {"name": "drawn", "title": "Drawn", "suspicion_classes": ["malignant"], "statement": "For tests."},
    }
    for name, value in changes.items():
        old = content.get(name)
        merge = isinstance(old, dict) and isinstance(value, dict) and name != "loss"
        content[name] = {**old, **value} if merge else value  # type: ignore[dict-item]
    return TrainingConfig.model_validate(content)


def film_config(**changes: Any) -> TrainingConfig:
    """dog-fpn at an eighth of its width."""
    given: dict[str, Any] = {
        "model": {"family": "dog-fpn", "labels": "normal-benign-malignant", "options": {"width": 4}},
        "preprocessing": "film-384x256",
        "loss": {"kind": "dense-lesion"},
        "optimizer": {"name": "adamw", "weight_decay": 0.05, "clip_norm": 2, "average_decay": 0.99},
        "class_weights": "sqrt",
        "output": {"suspicion_classes": ["benign", "malignant"]},
    }
    return config_of(**{**given, **changes})


def collection_write(
    folder: Path, *, patients: int = 12, labels: tuple[str, ...] = ("benign", "malignant"), size: int = 96
) -> Path:
    """A folder per label with two PNGs of every patient, brighter for later labels, and patients.csv."""
    random = np.random.default_rng(1)
    rows = ["file,patient_id"]
    for patient in range(patients):
        label = labels[patient % len(labels)]
        (folder / label).mkdir(parents=True, exist_ok=True)
        for view in range(2):
            level = 60 + 120 * (patient % len(labels)) / len(labels)
            pixels = np.clip(level + random.normal(0, 12, (size, size)), 1, 255).astype(np.uint8)
            name = f"{label}/p{patient}-{view}.png"
            cv2.imwrite(str(folder / name), pixels)
            rows.append(f"{name},p{patient}")
    (folder / "patients.csv").write_text("\n".join(rows) + "\n")
    return folder


def profile_write(path: Path, *, size: int = 32, layout: str = "grey", scale: float = 1.0) -> Path:
    steps: list[dict[str, Any]] = [
        {"step": "display", "voi": "header", "bits": 8},
        {"step": "resize", "size_hw": [size, size], "mode": "stretch", "kernel": "cv2.area"},
    ]
    if scale != 1.0:
        steps.append({"step": "scale", "multiply": scale})
    steps.append({"step": "channels", "layout": layout})
    path.write_text(json.dumps({"name": f"small-{size}", "steps": steps}))
    return path


def config_write(folder: Path, **changes: Any) -> Path:
    """CONFIG.yaml over ${DATA} with a small profile beside it."""
    profile_write(folder / "small.json")
    config = config_of(**changes).model_dump(mode="json", exclude_unset=True)
    config["data"] = {"path": "${DATA}", "kind": "class-folders"}
    config["preprocessing"] = "small.json"
    config.setdefault("validation", {"folds": 2})
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path
