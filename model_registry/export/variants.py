"""Smaller copies of a package, int8 or fp16: a package of their own, with what they lose against float32 measured and said.

The heatmaps are made first and the copy second, and only what lies before the CAM layer is made smaller. Explaining a quantised
graph would need the derivative of rounding, which is zero; this way the head and its gradient stay float32, and the map is the
exact Grad-CAM of the quantised network's own activations. The head is a sliver of the work, and its exponentials would overflow
half precision.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from model_registry.building.card import card_text
from model_registry.building.errors import ExportError, FactsInvalid, VariantRefused
from model_registry.building.golden import drawing_png, golden_contents, golden_prepare
from model_registry.building.sessions import session_create, session_run
from model_registry.explain.graph import Graph
from model_registry.explain.surcharge import NotMeasurable, surcharge_measure
from model_registry.export.half import nodes_halve
from model_registry.packaging import Manifest, Package, package_verify, package_write
from model_registry.packaging.manifest import Metric, TensorNames

Kind = Literal["int8", "fp16"]
KINDS: tuple[Kind, ...] = ("int8", "fp16")
DRAWN, IMAGES_MINIMUM = 32, 8
_FIRST_SEED = 1000
WEIGHTS_SHARE_MINIMUM = 0.8  # of the weights before the CAM layer; keeping more in float32 would leave no gain
_DELICATE = frozenset({"Sqrt", "Div", "Log", "Pow", "Reciprocal"})
_PARAMETERISED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a copy may lose. `golden` is the tolerance of its golden answers: fused kernels of one provider and the plain ones of
    another round at different places, by as much as a step."""

    probability_maximum: float
    label_agreement: float
    map_correlation: float
    golden: float


TOLERANCES: dict[Kind, Tolerance] = {
    "int8": Tolerance(probability_maximum=0.1, label_agreement=0.95, map_correlation=0.9, golden=0.05),
    "fp16": Tolerance(probability_maximum=0.02, label_agreement=0.95, map_correlation=0.99, golden=0.01),
}


@dataclass(frozen=True, slots=True)
class Loss:
    """A copy against its original on `images` images. Ratios are copy / original; `latency_ratio` None where not measurable."""

    images: int
    probability_maximum: float
    probability_mean: float
    label_agreement: float
    map_correlation: float
    size_ratio: float
    latency_ratio: float | None

    def text(self) -> str:
        latency = "latency not measured" if self.latency_ratio is None else f"{self.latency_ratio:.2f} of the latency on this CPU"
        return (
            f"on {self.images} images: probability differs by at most {self.probability_maximum:.4f}, on average "
            f"{self.probability_mean:.4f}; label agrees in {self.label_agreement:.1%}; heatmaps correlate at "
            f"{self.map_correlation:.4f}; {self.size_ratio:.2f} of the size, {latency}"
        )


@dataclass(frozen=True, slots=True)
class Variant:
    """A written copy and what it loses."""

    package: Package
    loss: Loss


def variant_build(
    *,
    package: Package,
    kind: Kind,
    folder: Path,
    images: Sequence[tuple[str, bytes]] | None = None,
    tolerance: Tolerance | None = None,
    threads: int = 1,
) -> Variant:
    """Make, judge and write `folder`/NAME-VERSION-KIND. `images` (file name, bytes), None for drawn breasts, are dealt in turn to
    calibrating and to judging.

    Raises VariantRefused with the figures where the loss is beyond the tolerance, FactsInvalid for too few images, ExportError
    where a graph cannot be made smaller, and as `package_verify` and `package_write`.
    """
    package = package_verify(package.folder)
    manifest = package.manifest
    tolerance = tolerance or TOLERANCES[kind]
    given = list(_drawn() if images is None else images)
    if len(given) < IMAGES_MINIMUM:
        raise FactsInvalid(f"{len(given)} images are too few to calibrate and judge by; give at least {IMAGES_MINIMUM}")
    tensors = [golden_prepare(name=name, data=data, profile=manifest.preprocessing).tensor for name, data in given]
    original = onnx.load(package.model_path)
    smaller = model_shrink(
        original, kind=kind, cam_layer=manifest.explanation.cam_layer, image=manifest.tensors.image, tensors=tensors[::2]
    )
    loss = loss_measure(original=original, smaller=smaller, names=manifest.tensors, tensors=tensors[1::2], threads=threads)
    broken = [
        f"{what} {found:.4f}, allowed {limit}"
        for what, found, limit, is_within in (
            ("probability differs by", loss.probability_maximum, tolerance.probability_maximum, False),
            ("label agreement", loss.label_agreement, tolerance.label_agreement, True),
            ("heatmap correlation", loss.map_correlation, tolerance.map_correlation, True),
        )
        if (found < limit if is_within else found > limit)
    ]
    if broken:
        raise VariantRefused(f"{kind} of {manifest.name} {manifest.version}: {'; '.join(broken)} ({loss.text()})")
    return Variant(_written(package, smaller, kind=kind, folder=folder, loss=loss, tolerance=tolerance), loss)


def model_shrink(
    model: onnx.ModelProto, *, kind: Kind, cam_layer: str, image: str, tensors: Sequence[np.ndarray]
) -> onnx.ModelProto:
    """The graph with its part before the CAM layer in int8 or half precision. Inputs and outputs stay float32.

    int8: static, weights per channel in 7 bits, for with 8 the integer kernels of processors without VNNI saturate and answer
    differently from those with it.
    """
    named = onnx.ModelProto()
    named.CopyFrom(model)
    for index, node in enumerate(named.graph.node):
        node.name = f"{index}:{node.op_type}"  # both tools choose nodes by name, and exporters may leave it empty
    kept = _kept_nodes(named, cam_layer)
    try:
        if kind == "fp16":
            smaller = nodes_halve(named, {node.name for node in named.graph.node} - set(kept))
        else:
            with tempfile.TemporaryDirectory(prefix="variant-") as scratch:
                written = Path(scratch) / "model.onnx"
                add_pre_process_metadata(named)  # exporters fold and infer already; unmarked, the tool asks for it on every run
                quantize_static(
                    named,
                    str(written),
                    _Tensors(image, tensors),
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    reduce_range=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    nodes_to_exclude=kept,
                )
                smaller = onnx.load(written)
                del smaller.metadata_props[:]
        onnx.checker.check_model(smaller)
    except (ValueError, KeyError, RuntimeError, IndexError, AttributeError, onnx.checker.ValidationError) as error:
        # what the two tools raise on graphs they do not understand
        raise ExportError(f"the graph cannot be made {kind}: {type(error).__name__}: {str(error)[:300]}") from error
    return smaller


def _kept_nodes(model: onnx.ModelProto, cam_layer: str) -> list[str]:
    """Names of the nodes that stay float32: what the CAM layer does not depend on (of a mask, its last weighted layer too), and
    a front that normalises by its own statistics, whose differences of squares coarse numbers turn negative."""
    graph = Graph(model)
    if cam_layer not in graph.producers:
        raise ExportError(f"the graph has no tensor {cam_layer!r}, which the manifest names as CAM layer")
    end = cam_layer
    if not graph.consumers.get(cam_layer):
        weighted = [node for node in graph.nodes if node.op_type in _PARAMETERISED]
        end = weighted[-1].input[0] if weighted else cam_layer
    before = graph.ancestors(end)
    shrinking = [node for node in graph.nodes if any(output in before for output in node.output)]
    delicate: set[str] = set()
    for node in shrinking:
        if node.op_type in _DELICATE:
            delicate |= graph.ancestors(node.output[0])
    rest = [node for node in shrinking if not any(output in delicate for output in node.output)]
    if _weights(graph, rest) >= WEIGHTS_SHARE_MINIMUM * _weights(graph, shrinking):
        shrinking = rest
    chosen = {node.name for node in shrinking}
    return [node.name for node in graph.nodes if node.name not in chosen]


def _weights(graph: Graph, nodes: Sequence[onnx.NodeProto]) -> int:
    values = [graph.constant(name) for node in nodes if node.op_type in _PARAMETERISED for name in node.input]
    return sum(value.size for value in values if value is not None)


class _Tensors(CalibrationDataReader):
    def __init__(self, image: str, tensors: Sequence[np.ndarray]) -> None:
        self._feeds = iter([{image: tensor[np.newaxis]} for tensor in tensors])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def loss_measure(
    *,
    original: onnx.ModelProto,
    smaller: onnx.ModelProto,
    names: TensorNames,
    tensors: Sequence[np.ndarray],
    threads: int = 1,
) -> Loss:
    """Run both on every tensor, one at a time. Raises NotRunnable."""
    found = []
    for model in (original, smaller):
        session = session_create(model, threads=threads)
        answers = [session_run(session, names=names, batch=tensor[np.newaxis]) for tensor in tensors]
        found.append(tuple(np.concatenate(part) for part in zip(*answers, strict=True)))
    (_, before, maps_before), (_, after, maps_after) = found
    try:
        measured = surcharge_measure(
            plain=original.SerializeToString(), explained=smaller.SerializeToString(), batches=(1,), repeats=10, threads=threads
        )
        latency: float | None = 1 + measured[0].paired_percent / 100
    except NotMeasurable:
        latency = None
    return Loss(
        images=len(tensors),
        probability_maximum=float(np.abs(after - before).max()),
        probability_mean=float(np.abs(after - before).mean()),
        label_agreement=float((after.argmax(axis=1) == before.argmax(axis=1)).mean()),
        map_correlation=maps_correlation(maps_before, maps_after),
        size_ratio=smaller.ByteSize() / original.ByteSize(),
        latency_ratio=latency,
    )


def maps_correlation(before: np.ndarray, after: np.ndarray) -> float:
    """The mean over maps of Pearson's correlation over cells. Two constant maps agree (1), a constant and another do not (0)."""
    flat = [maps.reshape(-1, maps.shape[2] * maps.shape[3]).astype(np.float64) for maps in (before, after)]
    flat = [maps - maps.mean(axis=1, keepdims=True) for maps in flat]
    lengths = [np.linalg.norm(maps, axis=1) for maps in flat]
    flat_maps = [length <= 1e-12 for length in lengths]
    product = lengths[0] * lengths[1]
    correlation = (flat[0] * flat[1]).sum(axis=1) / np.where(product > 0, product, 1)
    correlation = np.where(flat_maps[0] & flat_maps[1], 1.0, np.where(flat_maps[0] | flat_maps[1], 0.0, correlation))
    return float(correlation.mean())


def _written(
    package: Package, smaller: onnx.ModelProto, *, kind: Kind, folder: Path, loss: Loss, tolerance: Tolerance
) -> Package:
    manifest = package.manifest
    images = [(case.image, package.golden_paths(case)[0].read_bytes()) for case in manifest.golden]
    golden, cases = golden_contents(
        model=smaller,
        profile=manifest.preprocessing,
        tolerance=tolerance.golden,
        images=images,
        names=manifest.tensors,
        input_shape=manifest.input_shape,
        classes=manifest.classes,
    )
    fields: dict[str, Any] = manifest.model_dump(mode="json", exclude={"files"})
    fields |= {
        "version": f"{manifest.version}-{kind}",
        "title": f"{manifest.title} ({kind})",
        "metrics": [metric.model_dump(mode="json") for metric in _metrics(manifest, kind, loss)],
        "golden": cases,
    }
    note = (
        f"This is the {kind} copy of {manifest.name} {manifest.version} (package {package.digest}): layers up to the CAM layer "
        f"in {kind}, the head and the heatmaps' gradient in float32. Against float32, {loss.text()}. Figures other than these "
        "were measured with the float32 model."
    )
    card = card_text(manifest=fields, note=note)
    contents = {"model.onnx": smaller.SerializeToString(deterministic=True), "MODEL_CARD.md": card.encode(), **golden}
    return package_write(folder=folder / f"{manifest.name}-{manifest.version}-{kind}", manifest=fields, contents=contents)


def _metrics(manifest: Manifest, kind: Kind, loss: Loss) -> list[Metric]:
    method = f"{kind} against float32 on {loss.images} images that calibration did not see"
    own = [
        Metric(name="Largest difference of a probability", value=round(loss.probability_maximum, 6), method=method),
        Metric(name="Mean difference of a probability", value=round(loss.probability_mean, 6), method=method),
        Metric(name="Label agreement", value=round(loss.label_agreement, 6), method=method),
        Metric(name="Heatmap correlation", value=round(loss.map_correlation, 6), method=method),
        Metric(name="Size ratio", value=round(loss.size_ratio, 4), method=method),
    ]
    if loss.latency_ratio is not None:
        own.append(Metric(name="Latency ratio", value=round(loss.latency_ratio, 4), method=f"{method}; one image, CPU"))
    inherited = [
        metric.model_copy(update={"method": f"{metric.method}; measured with {manifest.version} in float32, not with this copy"})
        for metric in manifest.metrics
    ]
    return [*own, *inherited]


@cache
def _drawn() -> tuple[tuple[str, bytes], ...]:
    """Drawn breasts of both sides, every other with a mass; none of them is a golden input."""
    found = []
    for index in range(DRAWN):
        radius = float(10 + index) if index // 2 % 2 else 0.0
        data = drawing_png(seed=_FIRST_SEED + index, chest_wall_right=index // 4 % 2 == 1, lesion_radius=radius)
        found.append((f"drawn-{index}.png", data))
    return tuple(found)
