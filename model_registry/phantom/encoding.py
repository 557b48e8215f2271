"""Pixel data in the transfer syntaxes the phantom can write, by permissively licensed encoders.

Not for decoding, and not for anything but single-frame grey images.
"""

from __future__ import annotations

import imagecodecs
import numpy as np
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

TRANSFER_SYNTAXES: dict[str, UID] = {
    "explicit-le": ExplicitVRLittleEndian,
    "implicit-le": ImplicitVRLittleEndian,
    "jpeg-lossless": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
    "rle": RLELossless,
}
# pydicom's encoders: the first writes the precision that was stored, which imagecodecs' JPEG-LS encoder does not
_PLUGINS = {JPEGLSLossless: "pyjpegls", RLELossless: "pydicom"}


def _jpeg_lossless(stored: np.ndarray, bits_stored: int) -> bytes:
    """Process 14, Selection Value 1."""
    return bytes(imagecodecs.jpeg8_encode(stored, lossless=True, predictor=1, bitspersample=bits_stored))


def _jpeg_2000(stored: np.ndarray, bits_stored: int) -> bytes:
    """A bare reversible codestream."""
    return bytes(imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, codecformat="j2k", bitspersample=bits_stored))


_CODESTREAMS = {JPEGLosslessSV1: _jpeg_lossless, JPEG2000Lossless: _jpeg_2000}


def pixel_data_set(*, dataset: FileDataset, stored: np.ndarray, transfer_syntax: UID) -> None:
    """Put `stored`, uint16 (rows, columns), into the dataset. The Image Pixel attributes must be there already."""
    dataset.file_meta.TransferSyntaxUID = transfer_syntax
    if not transfer_syntax.is_compressed:
        dataset.PixelData = stored.astype("<u2", copy=False).tobytes()
        dataset["PixelData"].VR = "OW"
        return
    if transfer_syntax in _CODESTREAMS:
        dataset.PixelData = encapsulate([_CODESTREAMS[transfer_syntax](stored, dataset.BitsStored)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        return
    dataset.compress(transfer_syntax, stored, encoding_plugin=_PLUGINS[transfer_syntax], generate_instance_uid=False)
