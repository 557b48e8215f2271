"""Several trained networks of one family as one graph: logits, scores and masks averaged, heatmaps those of the average.

The members' CAM layers are laid side by side and each head reads its own slice of that one tensor, so that a single Grad-CAM at
it explains the averaged score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
from keras import layers

from model_registry.zoo.model import ZooModel


@keras.saving.register_keras_serializable(package="mammoserve")
class ChannelSlice(layers.Layer):
    """(N, rows, columns, C) → channels `start` to `stop`."""

    def __init__(self, start: int, stop: int, **options: Any) -> None:
        super().__init__(**options)
        self.start, self.stop = start, stop

    def call(self, tensor: Any) -> Any:
        return tensor[..., self.start : self.stop]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start, "stop": self.stop}


def ensemble_build(members: Sequence[ZooModel]) -> ZooModel:
    """One network that averages `members`, all of one architecture; their weights are shared, not copied."""
    first = members[0]
    image = keras.Input(first.input_shape, name="image")
    heads, maps = [], []
    for index, member in enumerate(members):
        model = member.keras_model
        outputs = model.output
        maps.append(keras.Model(model.input, outputs["cam"], name=f"member{index}_trunk")(image))
        kept = {name: outputs[name] for name in ("logits", "scores", "mask") if name in outputs}
        heads.append(keras.Model([model.input, outputs["cam"]], kept, name=f"member{index}_head"))
    cam = layers.Concatenate(name="cam")(maps)
    channels = int(maps[0].shape[-1])
    answers = [
        head([image, ChannelSlice(index * channels, (index + 1) * channels, name=f"member{index}_cam")(cam)])
        for index, head in enumerate(heads)
    ]
    averaged = {name: layers.Average(name=name)([answer[name] for answer in answers]) for name in answers[0]}
    model = keras.Model(image, {**averaged, "cam": cam}, name="ensemble")
    return replace(first, architecture=f"{first.architecture} x{len(members)}", keras_model=model, base_layers=())
