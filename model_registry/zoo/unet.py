"""A U-Net (Ronneberger 2015) for lesion masks that also answers for the whole image: the image's logits are the mask's maxima.

The published modification (Hossain 2022) was promised without code by the reference system; chosen here: batch norm after every
convolution, dropout at the bottom, transposed convolutions on the way up. Grad-CAM at the last layer is the mask's own positive
logit up to a constant, so map and mask cannot disagree.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from model_registry.zoo.errors import WrongInputShape
from model_registry.zoo.heads import Activation, outputs_of_units, units_count
from model_registry.zoo.model import ZooModel

LEVELS = 4
_NOTE = (
    "The reference system named a modified U-Net without code; chosen here: batch norm after every convolution, dropout at the "
    "bottom, transposed convolutions on the way up."
)


def unet_build(
    *,
    classes: tuple[str, ...],
    activation: Activation,
    input_shape: tuple[int, int, int],
    width: int = 32,
    dropout: float = 0.3,
) -> ZooModel:
    """Build with fresh weights. Outputs besides the usual: `mask` (N, rows, columns, 1 or classes), probabilities per pixel.

    With "sigmoid" the second label is the lesion. Raises WrongInputShape where a side is not a multiple of 16.
    """
    if input_shape[0] % 2**LEVELS or input_shape[1] % 2**LEVELS:
        raise WrongInputShape(f"a U-Net's sides are multiples of {2**LEVELS}, not {input_shape[0]}x{input_shape[1]}")
    image = keras.Input(input_shape, name="image")
    tensor, skips = image, []
    for level in range(LEVELS):
        tensor = _pair(tensor, width * 2**level, f"down{level}")
        skips.append(tensor)
        tensor = layers.MaxPooling2D(2, name=f"down{level}_pool")(tensor)
    tensor = layers.Dropout(dropout, name="bottom_dropout")(_pair(tensor, width * 2**LEVELS, "bottom"))
    for level in reversed(range(LEVELS)):
        raised = layers.Conv2DTranspose(width * 2**level, 2, strides=2, name=f"up{level}_raise")(tensor)
        joined = layers.Concatenate(name=f"up{level}_joined")([raised, skips[level]])
        tensor = _pair(joined, width * 2**level, f"up{level}")
    pixels = layers.Conv2D(units_count(classes=classes, activation=activation), 1, name="mask_logits")(tensor)
    mask = layers.Activation("sigmoid", name="mask")(pixels) if activation == "sigmoid" else layers.Softmax(name="mask")(pixels)
    outputs = outputs_of_units(layers.GlobalMaxPooling2D(name="highest")(pixels), activation=activation)
    model = keras.Model(image, {**outputs, "cam": tensor, "mask": mask}, name="modified_unet")
    return ZooModel("modified-unet", model, input_shape, classes, classes, task="segmentation", note=_NOTE)


def _pair(tensor: Any, filters: int, name: str) -> Any:
    for index in (1, 2):
        tensor = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv{index}")(tensor)
        tensor = layers.ReLU(name=f"{name}_relu{index}")(layers.BatchNormalization(name=f"{name}_norm{index}")(tensor))
    return tensor
