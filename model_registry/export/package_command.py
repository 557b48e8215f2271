"""`python -m model_registry package MODEL.keras|MODEL.h5|WEIGHTS --config FACTS.yaml -o FOLDER`: a Keras model as a package.

Parses, calls and prints. The facts are described in building.facts; Keras files are loaded in safe mode, after keras_safety
has passed them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from model_registry.building.facts import golden_files, profile_of
from model_registry.export.facts_file import facts_read
from model_registry.export.release import WIDE, guarded, images_prepared, release, variants_of

SOFTWARE = ("keras", "tf2onnx", "onnx", "onnxruntime")


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, or 2 when the file or the facts are refused, with the coded reason on standard error."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _package(options))


def _package(options: argparse.Namespace) -> None:
    facts = facts_read(options.config)
    beside = options.config.resolve().parent
    profile = profile_of(facts, folder=beside)
    golden = golden_files([*(beside / name for name in facts.golden), *options.golden])
    images = images_prepared(golden=golden, profile=profile)
    from model_registry.export.keras_package import keras_export  # TensorFlow, only once the facts are in order

    exported, layout, parameters = keras_export(
        path=options.model, facts=facts, images=images, tensor_layout=profile.tensor_layout
    )
    release(
        console=Console(highlight=False, soft_wrap=True, width=WIDE),
        exported=exported,
        layout=layout,
        facts=facts,
        profile=profile,
        parameters=parameters,
        packages=SOFTWARE,
        golden=golden,
        folder=options.output,
        variants=options.variants,
        calibration=options.calibration,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_registry package",
        description="Make a model package of a Keras model. Files that could run code are refused.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help=".keras, .h5, or weights alone with `family` in the facts")
    parser.add_argument("--config", type=Path, required=True, metavar="FACTS.yaml")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="gets a folder NAME-VERSION")
    options_add(parser)
    return parser


def options_add(parser: argparse.ArgumentParser) -> None:
    """What `package` and `import` both take."""
    parser.add_argument(
        "--golden", type=Path, nargs="+", default=[], metavar="FILE", help="golden inputs (default: drawn breasts)"
    )
    parser.add_argument("--variants", type=_variants, default=(), metavar="int8,fp16", help="smaller copies to make as well")
    parser.add_argument("--calibration", type=Path, metavar="FOLDER", help="images for int8 and for judging (default: drawn)")


def _variants(text: str) -> object:
    try:
        return variants_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
