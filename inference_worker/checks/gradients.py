"""Whether the heatmaps are the gradients they claim to be, by finite differences: no code is shared with the graph's own.

Grad-CAM at a cell is the sum over channels of activation × mean gradient. That sum is one directional derivative: nudge the CAM
layer everywhere by the cell's own activations and see how the score moves. So a cell costs two runs of what lies behind the
layer, however many channels there are. Loads no package and decides nothing about the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from inference_worker.batching import Array, ModelOutput
from inference_worker.contract.checks import CheckItem, Verdict
from model_registry.building.graph_edit import pruned, tensor_rename
from model_registry.packaging import Manifest, Package

NAME = "heatmap_gradients"
#: Of the map's maximum. A map of other weights, another layer or another class misses by tens of per cent.
TOLERANCE = 0.05
#: Of the layer's largest activation. Large enough to stand out of float32's noise, small enough for a head that bends.
_STEPS = (3e-2, 3e-3, 1e-1, 3e-4)
_CELLS = 8
_CHANNELS_MAXIMUM = 512  # LayerCAM needs each channel's own derivative
_SEED = 20261
_WRONG = "model:heatmap_wrong"

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Cut:
    """The model in two: the CAM layer's activations (1, channels, rows, columns) of an image, and the logits they lead to."""

    front: ort.InferenceSession
    head: ort.InferenceSession
    image: str

    def activations(self, image: Array) -> Array:
        return np.asarray(self.front.run(None, {self.image: image[np.newaxis]})[0])

    def logits(self, image: Array, activations: Array) -> Doubles:
        feeds = {self.image: image[np.newaxis], _GIVEN: activations}
        wanted = {value.name for value in self.head.get_inputs()}
        found = self.head.run(None, {name: value for name, value in feeds.items() if name in wanted})[0]
        return np.asarray(found[0], np.float64)


_GIVEN = "cam_layer/given"
_BEFORE = "cam_layer/computed"


class _NoLayer(Exception):
    """The graph has no such layer, or not one that these maps can come from."""


def gradients_check(*, package: Package, images: Sequence[Array], outputs: Sequence[ModelOutput]) -> CheckItem:
    """`images` are prepared golden inputs, `outputs` the model's own answers to each alone."""
    manifest = package.manifest
    method = manifest.explanation.method
    if method == "mask":
        return CheckItem(NAME, Verdict.SKIPPED, "the maps are masks, which are no gradients")
    derivative = _METHODS.get(method)
    if derivative is None:
        return CheckItem(NAME, Verdict.SKIPPED, f"{method} is no sum of first derivatives; finite differences cannot show it")
    try:
        cut = _cut(package)
        kinds = [_checked(cut.activations(image), manifest) for image in images]
    except _NoLayer as error:
        return CheckItem(NAME, Verdict.FAILED, str(error), _WRONG, {"cells": 0})
    if method == "layer-cam" and kinds[0].shape[1] > _CHANNELS_MAXIMUM:
        return CheckItem(NAME, Verdict.SKIPPED, f"{kinds[0].shape[1]} channels are too many to take each one's derivative")
    worst = dict.fromkeys(manifest.explanation.targets, 0.0)
    cells = 0
    for image, output, activations in zip(images, outputs, kinds, strict=True):
        chosen = _cells(output.heatmaps, few=method == "layer-cam")
        cells += len(chosen)
        for target, miss in _image_errors(cut, image, activations, output, manifest, chosen, derivative).items():
            worst[target] = max(worst[target], miss)
    figures: dict[str, Any] = {
        "cells": cells,
        "largest_difference": round(max(worst.values()), 6),
        "tolerance": TOLERANCE,
        **{f"difference_{target}": round(miss, 6) for target, miss in worst.items()},
    }
    wrong = [target for target, miss in worst.items() if not miss <= TOLERANCE]
    if wrong:
        most = max(worst[target] for target in wrong)
        detail = f"not the {method} at {manifest.explanation.cam_layer} for {', '.join(wrong)}: off by {most:.0%} of the maximum"
        return CheckItem(NAME, Verdict.FAILED, detail, _WRONG, figures)
    detail = f"{method} at {cells} cells agrees with finite differences to {max(worst.values()):.2%} of each map's maximum"
    return CheckItem(NAME, Verdict.PASSED, detail, figures=figures)


def _cut(package: Package) -> _Cut:
    """Two sessions on the CPU, where arithmetic is exact enough to take differences. Raises _NoLayer."""
    manifest, model = package.manifest, onnx.load(package.model_path)
    layer = manifest.explanation.cam_layer
    if not any(layer in node.output for node in model.graph.node):
        raise _NoLayer(f"the graph has no tensor {layer!r}, which the manifest calls the CAM layer")
    names = manifest.tensors
    front = onnx.ModelProto()
    front.CopyFrom(model)
    front.graph.output.append(onnx.ValueInfoProto(name=layer))  # the engine works its type out
    front = pruned(front, inputs=[names.image], outputs=[layer])
    tensor_rename(model, layer, _GIVEN)
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == _GIVEN:
                node.output[index] = _BEFORE
    model.graph.input.append(onnx.helper.make_tensor_value_info(_GIVEN, onnx.TensorProto.FLOAT, [None] * 4))
    reached = any(_GIVEN in node.input for node in model.graph.node)
    if not reached or names.logits == layer:
        raise _NoLayer(f"nothing follows {layer!r}, so no score can depend on it")
    head = pruned(model, inputs=[names.image, _GIVEN], outputs=[names.logits])
    return _Cut(_session(front), _session(head), names.image)


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the engine's errors share no base; a layer that is no float tensor ends here
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise _NoLayer(f"the model cannot be cut at its CAM layer: {text}") from error


def _checked(activations: Array, manifest: Manifest) -> Array:
    grid = tuple(manifest.explanation.grid_hw)
    if activations.ndim != 4 or activations.shape[0] != 1 or activations.shape[2:] != grid or activations.dtype != np.float32:
        raise _NoLayer(f"the CAM layer is {activations.dtype} of shape {activations.shape}; its maps have the grid {grid}")
    return activations


def _cells(maps: Array, *, few: bool) -> list[tuple[int, int]]:
    """Each map's hottest cell, and some by chance."""
    rows, columns = maps.shape[1:]
    hottest = [divmod(int(one.argmax()), columns) for one in maps]
    if few:
        return list(dict.fromkeys(hottest))[:2]
    random = np.random.default_rng(_SEED)
    chance = [(int(random.integers(rows)), int(random.integers(columns))) for _ in range(_CELLS)]
    return list(dict.fromkeys([*hottest, *chance]))


def _image_errors(
    cut: _Cut,
    image: Array,
    activations: Array,
    output: ModelOutput,
    manifest: Manifest,
    cells: list[tuple[int, int]],
    derivative: Derivative,
) -> dict[str, float]:
    """Target → largest difference over the cells, relative to the map's maximum, at the step that suits the head best."""
    best: dict[str, float] = {}
    for step in _STEPS:
        # (candidate scores of the target, cells)
        found = [derivative(cut, image, activations, cell, step, manifest) for cell in cells]
        for index, target in enumerate(manifest.explanation.targets):
            wanted = np.array([output.heatmaps[index][cell] for cell in cells], np.float64)
            maximum = float(output.heatmaps[index].max(initial=0.0))
            for candidate in zip(*(one[target] for one in found), strict=True):
                taken = np.maximum(np.array(candidate), 0.0)
                scale = maximum or float(taken.max(initial=0.0)) or 1.0
                error = float(np.abs(taken - wanted).max()) / scale
                best[target] = min(best.get(target, np.inf), error if np.isfinite(error) else np.inf)
        if all(best[target] <= TOLERANCE / 2 for target in best):
            break
    return best


Derivative = Callable[[_Cut, Array, Array, tuple[int, int], float, Manifest], dict[str, list[float]]]


def _grad_cam(
    cut: _Cut, image: Array, activations: Array, cell: tuple[int, int], step: float, manifest: Manifest
) -> dict[str, list[float]]:
    """Nudged alike at every cell: the sum over cells of the gradients, so divided by their number."""
    direction = activations[:, :, cell[0], cell[1]][:, :, np.newaxis, np.newaxis]
    return _along(cut, image, activations, direction, step, manifest, divisor=activations.shape[2] * activations.shape[3])


def _hires_cam(
    cut: _Cut, image: Array, activations: Array, cell: tuple[int, int], step: float, manifest: Manifest
) -> dict[str, list[float]]:
    direction = np.zeros_like(activations)
    direction[:, :, cell[0], cell[1]] = activations[:, :, cell[0], cell[1]]
    return _along(cut, image, activations, direction, step, manifest, divisor=1)


def _layer_cam(
    cut: _Cut, image: Array, activations: Array, cell: tuple[int, int], step: float, manifest: Manifest
) -> dict[str, list[float]]:
    """Only what raises the score counts, channel by channel."""
    total: dict[str, Doubles] = {}
    for channel in range(activations.shape[1]):
        direction = np.zeros_like(activations)
        direction[:, channel, cell[0], cell[1]] = activations[:, channel, cell[0], cell[1]]
        sign = np.sign(float(activations[0, channel, cell[0], cell[1]]))
        for target, values in _along(cut, image, activations, direction, step, manifest, divisor=1).items():
            positive = np.maximum(np.array(values) * sign, 0.0) * sign
            total[target] = total.get(target, np.zeros(len(values))) + positive
    return {target: list(map(float, values)) for target, values in total.items()}


_METHODS: dict[str, Derivative] = {"grad-cam": _grad_cam, "hires-cam": _hires_cam, "layer-cam": _layer_cam}


def _along(
    cut: _Cut, image: Array, activations: Array, direction: Array, step: float, manifest: Manifest, *, divisor: int
) -> dict[str, list[float]]:
    """The central difference of every candidate score of every target along `direction`, divided by `divisor`."""
    largest = float(np.abs(direction).max(initial=0.0))
    reach = float(np.abs(activations).max(initial=0.0)) or 1.0
    if largest == 0.0:  # where nothing is active, every such map is zero
        return {target: [0.0] * len(scores) for target, scores in _scores(cut.logits(image, activations), manifest).items()}
    nudge = (step * reach / largest * direction).astype(np.float32)
    up = _scores(cut.logits(image, activations + nudge), manifest)
    down = _scores(cut.logits(image, activations - nudge), manifest)
    ratio = largest / (2 * step * reach * divisor)
    return {target: [float(a - b) * ratio for a, b in zip(up[target], down[target], strict=True)] for target in up}


def _scores(logits: Doubles, manifest: Manifest) -> dict[str, list[float]]:
    """Target → the scores that its map may honestly explain: a class's logit, or its log-odds against the others; for another
    target the log-odds of the suspicion classes. Which of them a package chose, its manifest does not say."""
    classes = manifest.classes
    suspicious = [classes.index(label) for label in manifest.suspicion.classes]
    scores: dict[str, list[float]] = {}
    for target in manifest.explanation.targets:
        chosen = [classes.index(target)] if target in classes else suspicious
        scores[target] = [_log_odds(logits, chosen)]
        scores[target].append(float(logits[chosen[0]]) if target in classes else float(np.logaddexp.reduce(logits[chosen])))
    return scores


def _log_odds(logits: Doubles, chosen: Sequence[int]) -> float:
    others = [index for index in range(len(logits)) if index not in chosen]
    against = float(np.logaddexp.reduce(logits[others])) if others else 0.0
    return float(np.logaddexp.reduce(logits[list(chosen)])) - against
