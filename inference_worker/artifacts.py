"""Turns pictures and arrays into files and puts them where one attempt, and no other, may write. Draws nothing itself.

Keys are a function of the order alone, so that a repeated attempt overwrites its own files with the same ones.
"""

from __future__ import annotations

import io
import re

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from inference_worker.contract.failures import CodedError
from inference_worker.heatmaps import LAYER_OPACITY, Levels, colours, opacities
from inference_worker.object_store import ObjectStore
from inference_worker.segmentation import outline_palette

# Run-length deflate over one fixed row filter: half the time of OpenCV's default or less, for up to a sixth more bytes.
_PNG_QUICK = [
    cv2.IMWRITE_PNG_COMPRESSION, 1,
    cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP,
]  # fmt: skip

_IMAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

_PALETTE = colours().tobytes()
_TRANSPARENCY = np.rint(255 * opacities(maximum=LAYER_OPACITY)).astype(np.uint8).tobytes()


class ArtifactWriter:
    """Writes one attempt's files under its prefix, side by side, and returns their keys.

    Every method raises CodedError system:storage_full or system:storage_unavailable.
    """

    def __init__(self, *, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix.rstrip("/")

    def preview_write(self, *, image_id: str, png: bytes) -> str:
        return self._write(image_id, "preview.png", png)

    def heatmap_write(self, *, image_id: str, target: str, png: bytes) -> str:
        return self._write(image_id, f"heatmap.{_slug(target)}.png", png)

    def outline_write(self, *, image_id: str, target: str, png: bytes) -> str:
        return self._write(image_id, f"outline.{_slug(target)}.png", png)

    def overlay_write(self, *, image_id: str, target: str, png: bytes) -> str:
        return self._write(image_id, f"overlay.{_slug(target)}.png", png)

    def raw_maps_write(self, *, image_id: str, raw_maps: npt.NDArray[np.float32]) -> str:
        return self._write(image_id, "maps.npy", npy_encode(raw_maps))

    def pixels_write(self, *, image_id: str, data: bytes) -> str:
        return self._write(image_id, "pixels.bin", data)

    def _write(self, image_id: str, name: str, data: bytes) -> str:
        if _IMAGE_ID.fullmatch(image_id) is None:
            raise CodedError("system:contract_violation", "an image_id is not letters, digits, '-' and '_'")
        key = f"{self._prefix}/{image_id}.{name}"
        self._store.write(key=key, data=data)
        return key


def picture_encode(pixels: npt.NDArray[np.uint8]) -> bytes:
    """PNG of (rows, columns) grey or (rows, columns, 3) BGR, quick rather than small."""
    done, encoded = cv2.imencode(".png", pixels, _PNG_QUICK)
    if not done:
        raise CodedError("system:unexpected", "OpenCV could not encode a PNG")
    return encoded.tobytes()


def layer_encode(levels: Levels) -> bytes:
    """Transparent PNG of a level map: 8-bit palette plus tRNS, a quarter of the bytes of RGBA and quick to make."""
    return _palette_encode(levels, palette=_PALETTE, opacities=_TRANSPARENCY)


def outline_encode(outline: npt.NDArray[np.uint8]) -> bytes:
    """Transparent PNG of an outline, as `segmentation.outline_levels` makes it."""
    palette, line_opacities = outline_palette()
    return _palette_encode(outline, palette=palette, opacities=line_opacities)


def _palette_encode(indices: npt.NDArray[np.uint8], *, palette: bytes, opacities: bytes) -> bytes:
    image = Image.frombytes("P", (indices.shape[1], indices.shape[0]), indices.tobytes())
    image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=opacities, compress_level=1)
    return buffer.getvalue()


def npy_encode(array: npt.NDArray[np.float32]) -> bytes:
    """The array as a .npy file, float32 in C order."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array, np.float32), allow_pickle=False)
    return buffer.getvalue()


def _slug(target: str) -> str:
    """A file name's part. Labels are letters, digits, space, '_', '.', '-'; "a b" and "a_b" must not meet."""
    return target.replace("_", "__").replace(" ", "_-")
