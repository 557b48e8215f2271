"""`python -m model_registry <command>`: finds the room a command lives in and hands over.

To add a command, add a line to COMMANDS. The module named there defines `main(arguments: Sequence[str]) -> int`, parses its
own arguments with argparse, and is imported only when its command is asked for, so that a light command never loads a heavy room.
Not for the platform's commands: those are Django's.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """`module` holds `main`; `summary` is the line shown in the list of commands."""

    module: str
    summary: str


COMMANDS: dict[str, Command] = {
    "train": Command("model_registry.training.command", "train, judge and package a network; `train --list` names the recipes"),
    "evaluate": Command("model_registry.evaluation.command", "judge a package on your own cases: figures, plots, report"),
    "compare": Command(
        "model_registry.evaluation.compare_command", "say which of two packages is better on your own cases, and how sure that is"
    ),
    "dataset": Command("model_registry.datasets.command", "recognise a published collection and check it for leaks"),
    "package": Command("model_registry.export.package_command", "make a model package of a Keras model"),
    "import": Command("model_registry.export.import_command", "make a model package of an outside ONNX classifier"),
    "explain": Command("model_registry.explain.command", "give any ONNX classifier heatmaps, in the same run as its scores"),
    "verify": Command(
        "model_registry.inspection.verify_command", "prove a package: digests, signature, inspection, golden inputs"
    ),
    "show": Command(
        "model_registry.inspection.show_command", "say what a package is: classes, profile, tensors, figures, origin"
    ),
    "keygen": Command("model_registry.packaging.keygen_command", "make a signer's keys"),
    "sign": Command("model_registry.packaging.sign_command", "sign a package"),
    "phantom": Command("model_registry.phantom.command", "make synthetic four-view mammography studies"),
}


def usage(commands: Mapping[str, Command]) -> str:
    width = max((len(name) for name in commands), default=0)
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in commands.items()]
    return "\n".join(["usage: python -m model_registry <command> [options]", "", "commands:", *lines, ""])


def main(arguments: Sequence[str] | None = None, *, commands: Mapping[str, Command] = COMMANDS) -> int:
    """Run one command. Returns its exit status; 2 for an unknown command, as argparse does."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        (sys.stdout if words else sys.stderr).write(usage(commands))
        return 0 if words else 2
    command = commands.get(words[0])
    if command is None:
        sys.stderr.write(f"unknown command: {words[0]}\n\n{usage(commands)}")
        return 2
    return int(importlib.import_module(command.module).main(words[1:]))
