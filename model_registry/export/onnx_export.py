"""Keras → ONNX with scores, probabilities and heatmaps as outputs, dynamic in the batch.

Freezing first turns every variable and constant into graph constants; converted directly, EfficientNet's normalisation constants
would come out as inputs that a caller has to feed. Writes no files.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx.convert
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tf2onnx.constants import ENV_TF2ONNX_CATCH_ERRORS

from model_registry.building.errors import ExportError, WrongCamLayout
from model_registry.building.exported import OPSET, SUSPICION, ExportedModel
from model_registry.building.graph_edit import (
    BATCH,
    constant_add,
    node_add,
    output_add,
    outputs_drop,
    pruned,
    suspicion_score_add,
    tensor_rename,
)
from model_registry.explain import Method, explain_model
from model_registry.explain.graph import attribute
from model_registry.packaging.manifest import TensorNames
from model_registry.zoo.model import ZooModel

_converting = threading.Lock()


def keras_to_onnx(
    *,
    zoo_model: ZooModel,
    names: TensorNames | None = None,
    method: Method = "grad-cam",
    suspicion_classes: Sequence[str] = (),
) -> ExportedModel:
    """Convert, add softmax probabilities and heatmaps, and name everything as the manifest says.

    A single sigmoid's logits are [0, z], whose softmax is [1 − σ(z), σ(z)]: `output_activation` is "softmax" for every family.
    A segmentation model's heatmaps are its mask, (N, lesion classes, rows, columns). Several `suspicion_classes` add the map
    “suspicion” where the model has none. Raises ExplainError, WrongCamLayout, ExportError.
    """
    names = names or TensorNames()
    segmentation = zoo_model.task == "segmentation"
    kept = ("logits", "mask") if segmentation else ("logits", "scores", "cam")
    model = zoo_model.keras_model

    def serve(image: Any) -> list[Any]:
        outputs = model(image, training=False)
        return [outputs[name] for name in kept]

    converted = keras_function_to_onnx(serve, input_shape=zoo_model.input_shape, outputs=kept, image=names.image)
    outputs_drop(converted, *(name for name in kept if name != "logits"))
    tensor_rename(converted, "logits", names.logits)
    node_add(converted, "Softmax", [names.logits], names.probabilities, axis=-1)
    output_add(converted, names.probabilities, [BATCH, len(zoo_model.classes)])
    plain = pruned(converted, inputs=[names.image], outputs=[names.logits, names.probabilities])
    outputs = [names.logits, names.probabilities, names.heatmaps]
    if segmentation:
        layer, targets, grid = _mask_output(converted, zoo_model, names, suspicion_classes)
        explained = pruned(converted, inputs=[names.image], outputs=outputs)
        return ExportedModel(plain, explained, layer, grid, targets, "mask", zoo_model.input_shape, tensors=names)
    scores, targets = "scores", zoo_model.targets
    if len(suspicion_classes) > 1 and SUSPICION not in targets:
        suspicious = [zoo_model.classes.index(label) for label in suspicion_classes]
        others = [index for index in range(len(zoo_model.classes)) if index not in suspicious]
        scores = suspicion_score_add(
            converted, logits=names.logits, scores="scores", suspicious=suspicious, others=others, joined="scores_joined"
        )
        targets = (*targets, SUSPICION)
    cam = _channel_first(converted, "cam")
    explained_model = explain_model(converted, scores=scores, target=cam, method=method, output=names.heatmaps)
    rows, columns = explained_model.grid_hw
    if rows is None or columns is None:
        raise ExportError("the CAM layer's size must be fixed")
    _, *expected, _ = zoo_model.keras_model.output["cam"].shape
    if [rows, columns] != [size or found for size, found in zip(expected, (rows, columns), strict=True)]:
        raise WrongCamLayout(f"the CAM layer is {rows}x{columns} in the graph and {expected} in Keras")
    if explained_model.is_class_independent:
        targets = (SUSPICION,)
    explained = pruned(explained_model.model, inputs=[names.image], outputs=outputs)
    return ExportedModel(
        plain, explained, explained_model.target, (rows, columns), targets, method, zoo_model.input_shape, tensors=names
    )


def keras_function_to_onnx(
    serve: Callable[[Any], list[Any]], *, input_shape: Sequence[int], outputs: Sequence[str], image: str = "image"
) -> onnx.ModelProto:
    """Freeze and convert a function of one batch of images. The results bear the names `outputs`, in their order."""
    specification = tf.TensorSpec((None, *input_shape), tf.float32, name="image")

    @tf.function(input_signature=[specification], autograph=False)  # nothing to rewrite: layers hold no Python branches
    def named(batch: tf.Tensor) -> list[tf.Tensor]:
        return [tf.identity(tensor, name=f"export_{name}") for name, tensor in zip(outputs, serve(batch), strict=True)]

    frozen = convert_variables_to_constants_v2(named.get_concrete_function())
    found = [tensor.name for tensor in frozen.outputs]
    with _no_graph_copies():
        converted, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(), input_names=[frozen.inputs[0].name], output_names=found, opset=OPSET
        )
    for name, output in zip(outputs, found, strict=True):
        tensor_rename(converted, output, name)
    (fed,) = converted.graph.input
    tensor_rename(converted, fed.name, image)
    for value in (fed, *converted.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    return converted


@contextlib.contextmanager
def _no_graph_copies() -> Iterator[None]:
    """The converter copies the whole graph before every optimisation, to hide one that fails: most of its time on deep networks.

    Here a failure must show. The switch is an environment variable, so one conversion runs at a time.
    """
    with _converting:
        before = os.environ.get(ENV_TF2ONNX_CATCH_ERRORS)
        os.environ[ENV_TF2ONNX_CATCH_ERRORS] = "FALSE"
        try:
            yield
        finally:
            if before is None:
                del os.environ[ENV_TF2ONNX_CATCH_ERRORS]
            else:
                os.environ[ENV_TF2ONNX_CATCH_ERRORS] = before


def _channel_first(model: onnx.ModelProto, name: str) -> str:
    """The channel-first tensor behind Keras' channel-last one.

    Mostly the converter's own transposition leads back to it. Where the layer ends otherwise (a Reshape, a product in
    channel-last order) there is none, and the tensor would be misread with rows for channels: then it is turned, and turned back
    for those who read it.
    """
    producers = {output: node for node in model.graph.node for output in node.output}
    source = name
    while (node := producers.get(source)) is not None and node.op_type == "Identity":
        source = node.input[0]
    if node is not None and node.op_type == "Transpose" and list(attribute(node, "perm", [])) == [0, 2, 3, 1]:
        return str(node.input[0])
    turned, back = "cam/channel_first", "cam/channel_last"
    position = next((index + 1 for index, maker in enumerate(model.graph.node) if source in maker.output), 0)
    for reader in model.graph.node:
        for index, read in enumerate(reader.input):
            if read == source:
                reader.input[index] = back
    model.graph.node.insert(position, onnx.helper.make_node("Transpose", [turned], [back], name=back, perm=[0, 2, 3, 1]))
    model.graph.node.insert(position, onnx.helper.make_node("Transpose", [source], [turned], name=turned, perm=[0, 3, 1, 2]))
    return turned


def _mask_output(
    model: onnx.ModelProto, zoo_model: ZooModel, names: TensorNames, suspicion_classes: Sequence[str]
) -> tuple[str, tuple[str, ...], tuple[int, int]]:
    """The lesion channels of the mask as `heatmaps`, channel-first. Returns tensor, targets, (rows, columns)."""
    rows, columns, channels = (int(size) for size in zoo_model.keras_model.output["mask"].shape[1:])
    if channels == 1:
        targets: tuple[str, ...] = (zoo_model.classes[1],)
        maps = node_add(model, "Transpose", ["mask"], names.heatmaps, perm=[0, 3, 1, 2])
    else:
        targets = tuple(label for label in zoo_model.classes if label in suspicion_classes)
        if not targets or len(targets) == len(zoo_model.classes):
            raise ExportError("which classes of the mask are lesions? suspicion_classes must name some, not all")
        indices = np.asarray([zoo_model.classes.index(label) for label in targets], dtype=np.int64)
        node_add(model, "Gather", ["mask", constant_add(model, "mask/lesions", indices)], "mask/chosen", axis=3)
        maps = node_add(model, "Transpose", ["mask/chosen"], names.heatmaps, perm=[0, 3, 1, 2])
    output_add(model, maps, [BATCH, len(targets), rows, columns])
    return maps, targets, (rows, columns)
