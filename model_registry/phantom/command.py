"""`python -m model_registry phantom`: write synthetic studies into a folder. Parses and writes; study.py makes them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from model_registry.phantom.encoding import TRANSFER_SYNTAXES
from model_registry.phantom.lesions import LESION_KINDS
from model_registry.phantom.study import DEFAULT_SIZE_HW, phantom_study


def main(arguments: Sequence[str]) -> int:
    """Write every view as `seed-N/R-CC.dcm` and so on. Returns the exit status."""
    options = _parser().parse_args(arguments)
    console = Console()
    for seed in range(options.seed, options.seed + options.studies):
        views = phantom_study(
            seed=seed,
            size_hw=options.size,
            transfer_syntax=options.transfer_syntax,
            photometric_interpretation=options.photometric,
            density=options.density,
            lesion=None if options.lesion == "none" else options.lesion,
            lesion_laterality=options.lesion_laterality,
        )
        folder = options.out / f"seed-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        for view in views:
            path = folder / f"{view.name}.{'dcm' if options.format == 'dicom' else 'png'}"
            path.write_bytes(view.to_dicom_bytes() if options.format == "dicom" else view.to_png_bytes())
            found = ", ".join(
                f"{lesion.kind} at column {lesion.centre[0]:.0f}, row {lesion.centre[1]:.0f}" for lesion in view.lesions
            )
            console.print(f"{path}  {path.stat().st_size / 1e6:.1f} MB  density {view.density}  {found}", highlight=False)
    return 0


def _size(text: str) -> tuple[int, int]:
    rows, separator, columns = text.lower().partition("x")
    if not separator or not rows.isdigit() or not columns.isdigit():
        raise argparse.ArgumentTypeError("expected ROWSxCOLUMNS, such as 4096x3328")
    return int(rows), int(columns)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_registry phantom",
        description="Make synthetic four-view mammography studies. They show no person and are for demonstration and tests.",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write into; one folder a study is made in it")
    parser.add_argument("--seed", type=int, default=1, help="the first study's seed (default 1)")
    parser.add_argument("--studies", type=int, default=1, help="how many studies, with rising seeds (default 1)")
    default = f"{DEFAULT_SIZE_HW[0]}x{DEFAULT_SIZE_HW[1]}"
    parser.add_argument("--size", type=_size, default=DEFAULT_SIZE_HW, metavar="RxC", help=f"rows x columns (default {default})")
    parser.add_argument("--transfer-syntax", choices=tuple(TRANSFER_SYNTAXES), default="explicit-le")
    parser.add_argument("--photometric", choices=("MONOCHROME1", "MONOCHROME2"), default="MONOCHROME2")
    parser.add_argument("--density", choices=("A", "B", "C", "D"), help="BI-RADS density (default: from the seed)")
    parser.add_argument("--lesion", choices=("none", *LESION_KINDS), default="spiculated-mass")
    parser.add_argument("--lesion-laterality", choices=("L", "R"), help="default: from the seed")
    parser.add_argument("--format", choices=("dicom", "png"), default="dicom")
    return parser
