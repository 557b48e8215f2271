"""`python -m model_registry import MODEL.onnx --labels a,b,c --profile NAME|FILE -o FOLDER`: an outside classifier as a package.

Parses, calls and prints. The file is inspected before anything runs it; nothing is evaluated, and the card says so.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from model_registry.building.errors import ModelRefused
from model_registry.building.facts import Facts, facts_from, golden_files, parameters_count, profile_of
from model_registry.building.onnx_import import Wishes, classifier_import
from model_registry.explain import METHODS
from model_registry.explain.files import model_load
from model_registry.export.package_command import options_add
from model_registry.export.release import WIDE, guarded, images_prepared, release
from model_registry.inspection import Severity, model_inspect

SOFTWARE = ("onnx", "onnxruntime")
STATEMENT = (
    "An outside model, for research only and to try the platform with. Not evaluated here. Not a medical device; not for "
    "diagnosis, triage or screening."
)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0, or 2 when the model or the wish is refused, with the coded reason on standard error."""
    options = _parser().parse_args(arguments)
    return guarded(lambda: _import(options))


def _import(options: argparse.Namespace) -> None:
    console = Console(highlight=False, soft_wrap=True, width=WIDE)
    facts = _facts(options)
    profile = profile_of(facts, folder=Path())
    golden = golden_files(options.golden)
    images = images_prepared(golden=golden, profile=profile)
    loaded = model_load(options.model)
    findings = model_inspect(options.model)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise ModelRefused("; ".join(f"{finding.code}: {finding.detail}" for finding in errors[:5]))
    for finding in findings:
        console.print(f"[yellow]{escape(finding.code)}: {escape(finding.detail)}[/yellow]")
    imported = classifier_import(
        loaded.model,
        classes=facts.classes,
        suspicion_classes=facts.suspicion.classes,
        images=images,
        tensor_layout=profile.tensor_layout,
        wishes=Wishes(**facts.explanation.model_dump()),
    )
    release(
        console=console,
        exported=imported.exported,
        layout=imported.tensor_layout,
        facts=facts,
        profile=profile,
        parameters=parameters_count(loaded.model),
        packages=SOFTWARE,
        golden=golden,
        folder=options.output,
        variants=options.variants,
        calibration=options.calibration,
    )


def _facts(options: argparse.Namespace) -> Facts:
    """The options as the facts of a package. Raises FactsInvalid."""
    stem = re.sub(r"[^a-z0-9._-]+", "-", options.model.stem.lower()).strip("-.")[:64]
    name = options.name or stem or "imported"
    suspicion = options.suspicion_classes or options.labels[-1:]
    return facts_from(
        {
            "name": name,
            "version": options.version,
            "title": options.title or name,
            "classes": options.labels,
            "profile": options.profile,
            "suspicion": {"classes": suspicion, "threshold": options.threshold, "target": options.suspicion_target},
            "intended_use": {
                "statement": options.statement,
                "not_validated": ["Everything: nothing about this model was measured here."],
            },
            "provenance": {"training_data": options.training_data, "licence": options.licence},
            "explanation": {
                "method": options.method,
                "scores": options.scores,
                "target": options.target,
                "outputs": options.outputs,
                "activation": options.activation,
            },
        },
        source="options",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model_registry import",
        description="Make a model package of an outside ONNX classifier, heatmaps included.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--labels", type=_words, required=True, metavar="A,B,C", help="in the order of the model's scores")
    parser.add_argument("--profile", required=True, metavar="NAME|FILE.json", help="how images are prepared for the model")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="gets a folder NAME-VERSION")
    parser.add_argument("--name", help="default: the file's name")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--title")
    parser.add_argument("--statement", default=STATEMENT, help="what the model is for")
    parser.add_argument("--training-data", default="Not known here", help="what it was trained on")
    parser.add_argument("--licence", default="Not stated", help="of the model")
    parser.add_argument("--suspicion-classes", type=_words, metavar="B,C", help="labels that mean suspicion (default: the last)")
    parser.add_argument("--suspicion-target", metavar="LABEL", help="the map that explains suspicion")
    parser.add_argument("--threshold", type=float, default=0.5, help="suspicion above it is marked (default 0.5)")
    parser.add_argument("--target", metavar="TENSOR", help="the CAM layer (default: the last one with a spatial map)")
    parser.add_argument("--scores", metavar="TENSOR", help="the linear scores (default: what the softmax or sigmoid reads)")
    parser.add_argument("--method", choices=METHODS, default="grad-cam", help="default grad-cam; eigen-cam needs no gradients")
    parser.add_argument("--outputs", choices=("logits", "probabilities"), help="what the last values are, if that is not clear")
    parser.add_argument("--activation", choices=("softmax", "sigmoid"), help="what makes probabilities of linear scores")
    options_add(parser)
    return parser


def _words(text: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise argparse.ArgumentTypeError("expected words with commas between them")
    return words
