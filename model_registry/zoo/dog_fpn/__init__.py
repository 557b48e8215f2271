"""dog-fpn: a fixed difference-of-Gaussians stem, a small feature pyramid, dense supervision and log-sum-exp pooling."""

from model_registry.zoo.dog_fpn.network import CELL_GRID_HW, INPUT_SHAPE, TARGETS, dog_fpn_build

__all__ = ["CELL_GRID_HW", "INPUT_SHAPE", "TARGETS", "dog_fpn_build"]
