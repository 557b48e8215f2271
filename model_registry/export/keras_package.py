"""A Keras file and its facts → an exported model: zoo outputs as they are, any other classifier as an outside graph.

Weights alone are loaded into the family that the facts name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model_registry.building.errors import FactsInvalid, WrongInput, WrongOutput
from model_registry.building.exported import SUSPICION, ExportedModel
from model_registry.building.facts import Facts
from model_registry.building.golden import shape_check
from model_registry.building.onnx_import import Layout, Wishes, classifier_import
from model_registry.export.keras_file import keras_model_load, keras_weights_load
from model_registry.export.onnx_export import keras_function_to_onnx, keras_to_onnx
from model_registry.zoo.errors import ZooError
from model_registry.zoo.model import ZooModel
from model_registry.zoo.registry import zoo_build

_ZOO_OUTPUTS = frozenset({"logits", "scores", "cam"})


def keras_export(
    *, path: Path, facts: Facts, images: Sequence[np.ndarray], tensor_layout: Layout
) -> tuple[ExportedModel, Layout, int]:
    """The exported model, the tensor layout it takes, and the parameters of the Keras model.

    `images` are tensors as the profile makes them. Raises UnsafeKerasFile, UnreadableKerasFile, and as `keras_to_onnx` and
    `classifier_import`.
    """
    built: ZooModel | None = None
    if facts.family is not None:
        built = _family_build(facts)
        keras_weights_load(built.keras_model, path)
        model = built.keras_model
    else:
        model = keras_model_load(path)
    parameters = int(model.count_params())
    shape = _input_shape(model)
    if tensor_layout != "nhwc":
        raise FactsInvalid("Keras models take channels last; choose a profile whose tensor_layout is nhwc")
    # run once, for a model from a legacy file has no output until it was called
    answer = model(np.zeros((1, *(images[0].shape if None in shape else shape)), np.float32), training=False)
    if isinstance(answer, dict) and set(answer) >= _ZOO_OUTPUTS:
        shape_check(found=images[0].shape, wanted=shape)
        zoo_model = built or _zoo_model(model, facts=facts, input_shape=shape)
        exported = keras_to_onnx(zoo_model=zoo_model, method=facts.explanation.method, suspicion_classes=facts.suspicion.classes)
        return exported, "nhwc", parameters
    if isinstance(answer, dict | list | tuple) and len(answer) != 1:
        raise WrongOutput(f"the model has {len(answer)} outputs; one, or a dict with {', '.join(sorted(_ZOO_OUTPUTS))}")

    def serve(batch: Any) -> list[Any]:
        found = model(batch, training=False)
        return list(found.values()) if isinstance(found, dict) else list(found) if isinstance(found, list | tuple) else [found]

    converted = keras_function_to_onnx(serve, input_shape=images[0].shape if None in shape else shape, outputs=("output",))
    wishes = Wishes(**facts.explanation.model_dump())
    imported = classifier_import(
        converted,
        classes=facts.classes,
        suspicion_classes=facts.suspicion.classes,
        images=images,
        tensor_layout=tensor_layout,
        wishes=wishes,
    )
    return imported.exported, imported.tensor_layout, parameters


def _family_build(facts: Facts) -> ZooModel:
    assert facts.family is not None
    try:
        return zoo_build(
            facts.family.name,
            classes=facts.classes,
            activation=facts.family.activation,
            input_shape=facts.family.input_shape,
            **facts.family.options,
        )
    except (ZooError, TypeError) as error:
        raise FactsInvalid(f"family: {error}") from error


def _input_shape(model: Any) -> tuple[int, int, int]:
    inputs = model.inputs
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise WrongInput("the model must have one input of form (batch, rows, columns, channels)")
    return tuple(inputs[0].shape[1:])


def _zoo_model(model: Any, *, facts: Facts, input_shape: tuple[int, int, int]) -> ZooModel:
    """What a saved zoo model means, checked against its outputs."""
    logits, scores = (int(model.output[name].shape[-1]) for name in ("logits", "scores"))
    if logits != len(facts.classes):
        raise WrongOutput(f"the model has {logits} logits, but there are {len(facts.classes)} labels: {', '.join(facts.classes)}")
    targets = facts.targets
    if targets is None:
        targets = facts.classes if scores == logits else (*facts.classes, SUSPICION) if scores == logits + 1 else None
    if targets is None or len(targets) != scores:
        raise FactsInvalid(f"the model explains {scores} scores; name as many targets")
    return ZooModel(
        architecture=facts.provenance.architecture,
        keras_model=model,
        input_shape=input_shape,
        classes=facts.classes,
        targets=targets,
        task="segmentation" if facts.task == "segmentation" and "mask" in model.output else "classification",
    )
