"""Every family by its name, with the input the reference systems gave it. Builds; trains and saves nothing.

dog-fpn, the shipped family, has a head and an input of its own and is built by `dog_fpn_build`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from model_registry.zoo.block_cnn import BLOCK_CUTS, block_cnn_build
from model_registry.zoo.efficientnet import SIZES, efficientnet_build
from model_registry.zoo.errors import UnknownFamily, WeightsRefused, WrongInputShape
from model_registry.zoo.heads import Activation, labels_check
from model_registry.zoo.model import ZooModel
from model_registry.zoo.multi_branch import multi_branch_build
from model_registry.zoo.plain_cnn import alexnet_build, callback_cnn_build, clahe_cnn_build, simple_build
from model_registry.zoo.pretrained import pretrained_build
from model_registry.zoo.shufflenet import shufflenet_build
from model_registry.zoo.unet import unet_build


@dataclass(frozen=True, slots=True)
class _Family:
    build: Callable[..., ZooModel]
    input_shape: tuple[int, int, int]
    pretrained: bool = False
    options: tuple[str, ...] = ()


_FAMILIES: dict[str, _Family] = {
    "simple": _Family(simple_build, (224, 224, 3)),
    "shufflenet": _Family(shufflenet_build, (224, 224, 3)),
    **{
        name: _Family(partial(pretrained_build, name=name), (224, 224, 3), True, ("head",))
        for name in ("densenet121", "efficientnetv2-b0", "vgg16", "resnet50", "mobilenetv2")
    },
    "alexnet": _Family(alexnet_build, (227, 227, 3), options=("width",)),
    "clahe-cnn": _Family(clahe_cnn_build, (227, 227, 1)),
    "callback-cnn": _Family(callback_cnn_build, (244, 244, 1)),
    **{name: _Family(partial(block_cnn_build, name=name), (224, 224, 1)) for name in BLOCK_CUTS},
    "multi-branch": _Family(multi_branch_build, (224, 224, 4), True),
    "modified-unet": _Family(unet_build, (256, 256, 1), options=("width", "dropout")),
    **{
        f"efficientnet-{variant}": _Family(partial(efficientnet_build, variant=variant), (size, size, 3), True, ("dropout",))
        for variant, size in SIZES.items()
    },
}


def zoo_names() -> tuple[str, ...]:
    return tuple(_FAMILIES)


def zoo_build(
    name: str,
    *,
    classes: Sequence[str],
    activation: Activation = "softmax",
    input_shape: Sequence[int] | None = None,
    weights_path: Path | None = None,
    **options: Any,
) -> ZooModel:
    """Build the family `name` for the labels `classes`, in their order.

    `input_shape` is (rows, columns, channels), by default the reference systems'. `weights_path` is a local file with the weights
    of the pretrained base. `options` are the family's own (`head`, `width`, `dropout`). Raises UnknownFamily, WrongLabels,
    WrongInputShape, WeightsRefused.
    """
    family = _FAMILIES.get(name)
    if family is None:
        raise UnknownFamily(f"there is no family {name!r}; there are {', '.join(_FAMILIES)}")
    if foreign := sorted(set(options) - set(family.options)):
        raise UnknownFamily(f"{name} has no option {foreign[0]!r}; it has {', '.join(family.options) or 'none'}")
    labels = tuple(classes)
    labels_check(classes=labels, activation=activation)
    shape = tuple(family.input_shape if input_shape is None else input_shape)
    if len(shape) != 3 or not all(isinstance(size, int) and size > 0 for size in shape):
        raise WrongInputShape(f"the input is (rows, columns, channels), not {shape!r}")
    if weights_path is not None:
        if not family.pretrained:
            raise WeightsRefused(f"{name} has no pretrained base")
        options["weights_path"] = weights_path
    try:
        return family.build(classes=labels, activation=activation, input_shape=shape, **options)
    except ValueError as problem:
        # Keras refuses a layer whose window does not fit its input
        raise WrongInputShape(f"{name} cannot be built for {shape}: {problem}") from problem
