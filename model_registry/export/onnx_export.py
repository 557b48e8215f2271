"""Keras → ONNX with scores, probabilities and heatmaps as outputs, dynamic in the batch.

Freezing first turns every variable and constant into graph constants; converted directly, EfficientNet's normalisation constants
would come out as inputs that a caller has to feed. Writes no files.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import tensorflow as tf
import tf2onnx.convert
from onnx import helper
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from model_registry.explain import ExplainedModel, Method, explain_model
from model_registry.packaging.manifest import TensorNames
from model_registry.zoo.model import ZooModel

OPSET = 17
_KEPT = ("logits", "scores", "cam")


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """`plain` has logits and probabilities; `explained` the heatmaps as well. `cam_layer` is the tensor they are taken at."""

    plain: onnx.ModelProto
    explained: onnx.ModelProto
    cam_layer: str
    grid_hw: tuple[int, int]


def keras_to_onnx(*, zoo_model: ZooModel, names: TensorNames | None = None, method: Method = "grad-cam") -> ExportedModel:
    """Convert, add softmax probabilities and heatmaps, and name everything as the manifest says. Raises ExplainError."""
    names = names or TensorNames()
    converted = _converted(zoo_model)
    _output_drop(converted, "cam", "scores")
    _input_name(converted, names.image)
    _tensor_rename(converted, "logits", names.logits)
    converted.graph.node.append(
        helper.make_node("Softmax", [names.logits], [names.probabilities], axis=-1, name=names.probabilities)
    )
    classes = len(zoo_model.classes)
    converted.graph.output.append(helper.make_tensor_value_info(names.probabilities, onnx.TensorProto.FLOAT, ["batch", classes]))
    explained = explain_model(converted, scores="scores", target="cam", method=method, output=names.heatmaps)
    rows, columns = explained.grid_hw
    if rows is None or columns is None:
        raise ValueError("the CAM layer's size must be fixed")
    plain = onnx.utils.Extractor(converted).extract_model([names.image], [names.logits, names.probabilities])
    return ExportedModel(plain=plain, explained=_pruned(explained, names), cam_layer=explained.target, grid_hw=(rows, columns))


def _converted(zoo_model: ZooModel) -> onnx.ModelProto:
    model = zoo_model.keras_model
    specification = tf.TensorSpec((None, *zoo_model.input_shape), tf.float32, name="image")

    @tf.function(input_signature=[specification])
    def serve(image: tf.Tensor) -> list[tf.Tensor]:
        outputs = model(image, training=False)
        return [tf.identity(outputs[name], name=f"export_{name}") for name in _KEPT]

    frozen = convert_variables_to_constants_v2(serve.get_concrete_function())
    outputs = [tensor.name for tensor in frozen.outputs]
    converted, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(), input_names=[frozen.inputs[0].name], output_names=outputs, opset=OPSET
    )
    for name, output in zip(_KEPT, outputs, strict=True):
        _tensor_rename(converted, output, name)
    return converted


def _tensor_rename(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        if value.name == old:
            value.name = new


def _input_name(model: onnx.ModelProto, name: str) -> None:
    (image,) = model.graph.input
    _tensor_rename(model, image.name, name)
    for value in (image, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _output_drop(model: onnx.ModelProto, *names: str) -> None:
    """Take tensors off the list of outputs; they stay in the graph for the transform to find."""
    kept = [value for value in model.graph.output if value.name not in names]
    dropped = [value for value in model.graph.output if value.name in names]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    model.graph.value_info.extend(dropped)


def _pruned(explained: ExplainedModel, names: TensorNames) -> onnx.ModelProto:
    """Only what the outputs need: the channel-last copy of the CAM layer goes."""
    outputs = [names.logits, names.probabilities, names.heatmaps]
    return onnx.utils.Extractor(explained.model).extract_model([names.image], outputs)
