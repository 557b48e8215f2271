"""Whether a Keras file may be loaded at all: checked on its bytes, before Keras sees a line of it.

A Keras file is a program: its configuration names classes and functions to call with chosen arguments, its weights file can point
to other files, and either can declare more than memory holds. `safe_mode` has been passed by several times (CVE-2025-1550,
-8747, -9905, -9906, -12058, 2026-1669), so the rule here is a list of what is allowed, not of what is known to be bad. Loads
nothing.
"""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]

from model_registry.building.errors import UnreadableKerasFile, UnsafeKerasFile

CONFIG_BYTES_MAXIMUM = 64 << 20
WEIGHTS_BYTES_MAXIMUM = 4 << 30
FREE_BYTES = 64 << 20  # below it, how well something is compressed is no threat
RATIO_MAXIMUM = 200  # weights hardly compress
OBJECTS_MAXIMUM = 200_000
DEPTH_MAXIMUM = 200
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
OWN_PACKAGE = "mammoserve>"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LAYERS = _words(
    """Activation ActivityRegularization Add AlphaDropout Average AveragePooling2D BatchNormalization CenterCrop Concatenate
    Conv2D Conv2DTranspose Convolution2D Convolution2DTranspose Cropping2D Dense DepthwiseConv2D Dot Dropout ELU Flatten
    GaussianDropout GaussianNoise GlobalAveragePooling2D GlobalAvgPool2D GlobalMaxPool2D GlobalMaxPooling2D
    GroupNormalization Identity InputLayer LayerNormalization LeakyReLU MaxPool2D MaxPooling2D Maximum Minimum Multiply
    Normalization PReLU Permute RandomBrightness RandomContrast RandomFlip RandomRotation RandomTranslation RandomZoom
    ReLU RepeatVector Rescaling Reshape Resizing SeparableConv2D SeparableConvolution2D Softmax SpatialDropout2D
    SpectralNormalization Subtract UnitNormalization UpSampling2D ZeroPadding2D"""
)
_INITIALIZERS = _words(
    """Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones Orthogonal RandomNormal
    RandomUniform TruncatedNormal VarianceScaling Zeros"""
)
_REGULARIZERS = frozenset({"L1", "L2", "L1L2", "OrthogonalRegularizer"})
_CONSTRAINTS = frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"})
_OPERATIONS = _words(
    """Absolute Add Clip Concatenate Divide Exp ExpandDims GetItem Log Matmul Max Maximum Mean Min Minimum Multiply Negative
    Power Repeat Reshape Sigmoid Softmax Softplus Sqrt Square Squeeze Stack Subtract Sum Tanh Transpose TrueDivide Relu
    Relu6 Silu Gelu"""
)
_FUNCTIONS = _words(
    """celu elu exponential gelu glu hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid log_softmax
    mish relu relu6 selu sigmoid silu softmax softplus softsign swish tanh"""
)
_VALUES = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__slice__", "__ellipsis__", "__tuple__", "TensorShape"})
_MODELS = frozenset({"Functional", "Model", "Sequential"})
_OWN = frozenset({"SigmoidScores", "FirstChannels", "DogStem", "LogSumExpHead", "TargetScores"})
# where a class of each kind may come from; None is how the legacy format says it
_ALLOWED: tuple[tuple[frozenset[str], frozenset[str | None]], ...] = (
    (_LAYERS, frozenset({"keras.layers", "keras.src.layers", None})),
    (_MODELS, frozenset({"keras", "keras.models", "keras.src.models.functional", "keras.src.models.sequential", None})),
    (_INITIALIZERS, frozenset({"keras.initializers", None})),
    (_REGULARIZERS, frozenset({"keras.regularizers", None})),
    (_CONSTRAINTS, frozenset({"keras.constraints", None})),
    (frozenset({"DTypePolicy", "Policy", "FloatDTypePolicy"}), frozenset({"keras", "keras.mixed_precision", None})),
    (_OPERATIONS, frozenset({"keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.core"})),
    (_VALUES, frozenset({None})),
)
_FILTERS = frozenset(
    {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF, h5py.h5z.FILTER_SZIP}
)


def keras_archive_extract(path: Path, folder: Path) -> dict[str, Any]:
    """Unpack a .keras file's weights into `folder` and return its configuration, parsed and checked.

    Only the three members that Keras writes for a model without assets are read. Raises UnsafeKerasFile, UnreadableKerasFile.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _members_check(members)
            names = {member.filename for member in members}
            if missing := {CONFIG, WEIGHTS} - names:
                raise UnreadableKerasFile(f"{path.name} holds no {min(missing)}")
            text = archive.read(CONFIG)
            with archive.open(WEIGHTS) as source, (folder / WEIGHTS).open("xb") as target:
                left = next(member.file_size for member in members if member.filename == WEIGHTS)
                while block := source.read(1 << 20):
                    left -= len(block)
                    if left < 0:
                        raise UnsafeKerasFile(f"{WEIGHTS} is larger than the archive declares")
                    target.write(block)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        # RuntimeError is zipfile's word for an encrypted member
        raise UnreadableKerasFile(f"{path.name} is not a .keras file, or a damaged one: {error}") from error
    weights_check(folder / WEIGHTS)
    return config_parse(text)


def _members_check(members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise UnsafeKerasFile("the archive holds a member twice")
    for member in members:
        if member.filename not in (CONFIG, METADATA, WEIGHTS):
            raise UnsafeKerasFile(f"the archive holds {member.filename[:80]!r}; only {CONFIG}, {METADATA} and {WEIGHTS} are read")
        if stat.S_ISLNK(member.external_attr >> 16) or member.is_dir():
            raise UnsafeKerasFile(f"{member.filename} is not a plain file")
        limit = WEIGHTS_BYTES_MAXIMUM if member.filename == WEIGHTS else CONFIG_BYTES_MAXIMUM
        if member.file_size > limit:
            raise UnsafeKerasFile(f"{member.filename} unpacks to {member.file_size} bytes, above {limit}")
        _ratio_check(member)


def _ratio_check(member: zipfile.ZipInfo) -> None:
    if member.file_size > FREE_BYTES and member.file_size > RATIO_MAXIMUM * max(1, member.compress_size):
        times = member.file_size // max(1, member.compress_size)
        raise UnsafeKerasFile(f"{member.filename[:80]} unpacks to {times} times its size")


def arrays_check(path: Path) -> None:
    """An .npz whose arrays unpack to about what they are. Raises UnsafeKerasFile, UnreadableKerasFile."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UnreadableKerasFile(f"{path.name} is not an .npz file, or a damaged one: {error}") from error
    if len(members) > OBJECTS_MAXIMUM or sum(member.file_size for member in members) > WEIGHTS_BYTES_MAXIMUM:
        raise UnsafeKerasFile(f"{path.name} unpacks to more than {WEIGHTS_BYTES_MAXIMUM} bytes")
    for member in members:
        _ratio_check(member)


def config_parse(text: bytes | str) -> dict[str, Any]:
    """The configuration without its training part, every class in it known. Raises UnsafeKerasFile, UnreadableKerasFile."""
    if len(text) > CONFIG_BYTES_MAXIMUM:
        raise UnsafeKerasFile(f"the configuration has {len(text)} bytes, above {CONFIG_BYTES_MAXIMUM}")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableKerasFile(f"the configuration is not JSON: {str(error)[:200]}") from error
    if not isinstance(config, dict):
        raise UnreadableKerasFile("the configuration is not an object")
    config.pop("compile_config", None)  # optimiser, loss and metrics may name functions, and serving needs none
    config_check(config)
    return config


def config_check(config: Any) -> None:
    """Raises UnsafeKerasFile at the first class or function that is not on the list."""
    pending: list[tuple[Any, int]] = [(config, 0)]
    seen = 0
    while pending:
        value, depth = pending.pop()
        seen += 1
        if depth > DEPTH_MAXIMUM or seen > 50 * OBJECTS_MAXIMUM:
            raise UnsafeKerasFile("the configuration is nested too deeply or too long")
        if isinstance(value, dict):
            if "class_name" in value or "registered_name" in value:
                _class_check(value)
            if "compile_config" in value:
                raise UnsafeKerasFile("a layer inside the model brings a training configuration of its own")
            pending.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list):
            pending.extend((item, depth + 1) for item in value)


def _class_check(entry: dict[str, Any]) -> None:
    name, module, registered = (entry.get(key) for key in ("class_name", "module", "registered_name"))
    if not isinstance(name, str) or not isinstance(module, str | None) or not isinstance(registered, str | None):
        raise UnsafeKerasFile("the configuration names a class by something that is not a name")
    if name == "function":
        function = entry.get("config")
        if module in ("builtins", "keras.activations") and function in _FUNCTIONS and registered in (None, "function", function):
            return
        raise UnsafeKerasFile(f"the configuration calls the function {str(function)[:80]!r} of {str(module)[:80]!r}")
    own = name.removeprefix(OWN_PACKAGE)
    if own in _OWN and OWN_PACKAGE + own in (name, registered) and registered in (None, name, OWN_PACKAGE + own):
        return
    if registered in (None, name) and any(name in names and _is_from(module, modules) for names, modules in _ALLOWED):
        return
    what = "runs code of its own" if "ambda" in name else "is none of the layers a classifier of images needs"
    raise UnsafeKerasFile(
        f"class {name[:80]!r} of {str(module or registered)[:80]!r} {what}; only built-in image layers are loaded"
    )


def _is_from(module: str | None, modules: frozenset[str | None]) -> bool:
    return module in modules or (module is not None and module.startswith("keras.src.layers.") and "keras.src.layers" in modules)


def weights_check(path: Path) -> None:
    """An HDF5 file whose every dataset lies in the file itself and is about as large as it says.

    Raises UnsafeKerasFile for links, external or virtual datasets, foreign filters and declared sizes beyond the stored ones.
    """
    try:
        with h5py.File(path, "r") as file:
            total = 0
            for name, dataset in _datasets(file):
                total += _dataset_check(name, dataset)
                if total > WEIGHTS_BYTES_MAXIMUM:
                    raise UnsafeKerasFile(f"the weights declare more than {WEIGHTS_BYTES_MAXIMUM} bytes")
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        # h5py reports a damaged file with any of these
        raise UnreadableKerasFile(f"{path.name} is not an HDF5 file, or a damaged one: {str(error)[:200]}") from error


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    pending, seen, count = ["/"], set(), 0
    while pending:
        place = pending.pop()
        group = file[place]
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            count += 1
            if count > OBJECTS_MAXIMUM:
                raise UnsafeKerasFile(f"the weights hold more than {OBJECTS_MAXIMUM} objects")
            inner = f"{place.rstrip('/')}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise UnsafeKerasFile(f"{inner[:80]!r} is a link to another place or file")
            kind = group.get(name, getclass=True)
            if kind is h5py.Group:
                pending.append(inner)
            elif kind is h5py.Dataset:
                yield inner, group[name]
            else:
                raise UnsafeKerasFile(f"{inner[:80]!r} is neither group nor dataset")


def _dataset_check(name: str, dataset: h5py.Dataset) -> int:
    """The dataset's declared bytes."""
    settings = dataset.id.get_create_plist()
    if settings.get_external_count() or dataset.is_virtual:
        raise UnsafeKerasFile(f"{name[:80]!r} keeps its data in another file")
    if foreign := [code for code in (settings.get_filter(i)[0] for i in range(settings.get_nfilters())) if code not in _FILTERS]:
        raise UnsafeKerasFile(f"{name[:80]!r} is packed with filter {foreign[0]}, which would load a plug-in")
    declared = int(dataset.size or 0) * dataset.dtype.itemsize
    if declared > FREE_BYTES and declared > RATIO_MAXIMUM * max(1, dataset.id.get_storage_size()):
        raise UnsafeKerasFile(f"{name[:80]!r} declares {declared} bytes and stores {dataset.id.get_storage_size()}")
    return declared
