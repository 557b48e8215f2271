"""What `package` and `import` have in common: from an exported model and facts to packages on disk and words on the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from model_registry.building.errors import ExportError
from model_registry.building.exported import ExportedModel
from model_registry.building.facts import Facts, golden_files, package_facts
from model_registry.building.golden import drawings, golden_prepare
from model_registry.building.onnx_import import Layout
from model_registry.building.package_build import package_build
from model_registry.explain import GRADIENT_FREE, ExplainError, NoGradientRule, UnknownShape
from model_registry.export.variants import KINDS, Kind, variant_build
from model_registry.packaging import Package, PackageError
from model_registry.packaging.profile import PreprocessingProfile

REFUSED = 2
WIDE = 400
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".dcm", ".dicom", ""})


def images_prepared(*, golden: Sequence[tuple[str, bytes]] | None, profile: PreprocessingProfile) -> list[np.ndarray]:
    """The golden inputs as tensors: what a graph is tried on. Raises GoldenImageRefused."""
    images = drawings() if golden is None else golden
    return [golden_prepare(name=name, data=data, profile=profile).tensor for name, data in images]


def release(
    *,
    console: Console,
    exported: ExportedModel,
    layout: Layout,
    facts: Facts,
    profile: PreprocessingProfile,
    parameters: int,
    packages: Sequence[str],
    golden: Sequence[tuple[str, bytes]] | None,
    folder: Path,
    variants: Sequence[Kind],
    calibration: Path | None,
) -> Package:
    """Write the package and its smaller copies, and say what was chosen. A refused copy is said and does not undo the package.

    Raises ExportError, PackageError, FileExistsError.
    """
    if layout != profile.tensor_layout:
        profile = profile.model_copy(update={"tensor_layout": layout})
    described = package_facts(facts=facts, exported=exported, parameters=parameters, packages=packages)
    package = package_build(folder=folder, exported=exported, facts=described, profile=profile, golden_images=golden)
    console.print(_summary(package, exported))
    for kind in variants:
        try:
            made = variant_build(package=package, kind=kind, folder=folder, images=_calibration_images(calibration))
        except ExportError as error:
            console.print(f"[yellow]no {kind} copy: {escape(str(error))}[/yellow]")
        else:
            console.print(f"[bold]{kind}[/bold] {escape(str(made.package.folder))}: {made.loss.text()}")
    console.print(f"next: read {escape(str(package.card_path))}, then upload the folder as a candidate and have it checked")
    return package


def guarded(work: Callable[[], None]) -> int:
    """Run a command's work. Returns 0, or 2 with the coded reason on standard error."""
    problems = Console(stderr=True, highlight=False, soft_wrap=True, width=WIDE)
    try:
        work()
    except (NoGradientRule, UnknownShape) as error:
        problems.print(f"[red]{escape(str(error))}[/red]")
        problems.print(f"A map without gradients, one for all classes: add --method {GRADIENT_FREE}")
    except (ExplainError, ExportError, PackageError) as error:
        problems.print(f"[red]{escape(str(error))}[/red]")
    except FileExistsError as error:
        problems.print(f"[red]{escape(str(error))}: choose another version[/red]")
    else:
        return 0
    return REFUSED


def variants_of(text: str) -> tuple[Kind, ...]:
    """For argparse: “int8,fp16”. Raises ValueError."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    found = tuple(kind for kind in KINDS if kind in words)
    if len(found) != len(set(words)) or not found:
        raise ValueError(f"variants are {', '.join(KINDS)}")
    return found


def _calibration_images(folder: Path | None) -> list[tuple[str, bytes]] | None:
    if folder is None:
        return None
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    except OSError as error:
        raise ExportError(f"{folder} cannot be read: {error.strerror}") from error
    return golden_files(paths) or []


def _summary(package: Package, exported: ExportedModel) -> Table:
    manifest = package.manifest
    rows, columns = manifest.explanation.grid_hw
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in (
        ("package", str(package.folder)),
        ("digest", package.digest),
        ("classes", ", ".join(manifest.classes)),
        ("input", f"{'x'.join(map(str, manifest.input_shape))}, {manifest.preprocessing.tensor_layout}"),
        ("profile", manifest.preprocessing.name),
        ("probabilities", manifest.output_activation),
        ("heatmaps", f"{manifest.explanation.method} at {manifest.explanation.cam_layer}, {rows} x {columns}"),
        ("targets", ", ".join(manifest.explanation.targets)),
        ("suspicion", f"{' + '.join(manifest.suspicion.classes)}, explained by {manifest.suspicion.target}"),
        ("batches", ", ".join(map(str, manifest.batch_sizes))),
        ("golden", ", ".join(case.image for case in manifest.golden)),
        *(("found", note) for note in exported.notes),
    ):
        table.add_row(f"[bold]{name}[/bold]", escape(value))
    return table
