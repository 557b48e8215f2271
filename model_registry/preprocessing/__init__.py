"""Mammography preprocessing: decode, VOI, breast isolation, resize. One code path for training and serving.

Entry points: `image_decode` → `image_prepare` (for a model) or `image_preview` (for people).
"""

from model_registry.preprocessing.decode import MAX_PIXELS, image_decode
from model_registry.preprocessing.errors import PreprocessingError
from model_registry.preprocessing.image import DecodedImage, LookupTable, Window
from model_registry.preprocessing.prepare import PreparedImage, image_prepare
from model_registry.preprocessing.preview import PreviewImage, image_preview

__all__ = [
    "MAX_PIXELS",
    "DecodedImage",
    "LookupTable",
    "PreparedImage",
    "PreprocessingError",
    "PreviewImage",
    "Window",
    "image_decode",
    "image_prepare",
    "image_preview",
]
