"""Pixel data in the transfer syntaxes the phantom can write, by permissively licensed encoders.

Not for decoding, and not for anything but single-frame grey images.
"""

from __future__ import annotations

import gdcm
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
_PLUGINS = {JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg", RLELossless: "pylibjpeg"}


def pixel_data_set(*, dataset: FileDataset, stored: np.ndarray, transfer_syntax: UID) -> None:
    """Put `stored`, uint16 (rows, columns), into the dataset. The Image Pixel attributes must be there already."""
    dataset.file_meta.TransferSyntaxUID = transfer_syntax
    if not transfer_syntax.is_compressed:
        dataset.PixelData = stored.astype("<u2", copy=False).tobytes()
        dataset["PixelData"].VR = "OW"
        return
    if transfer_syntax == JPEGLosslessSV1:
        dataset.PixelData = encapsulate([_jpeg_lossless(dataset, stored)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        return
    dataset.compress(transfer_syntax, stored, encoding_plugin=_PLUGINS[transfer_syntax], generate_instance_uid=False)


def _jpeg_lossless(dataset: FileDataset, stored: np.ndarray) -> bytes:
    """One JPEG Lossless, Process 14, Selection Value 1 codestream. pydicom has no encoder for it; GDCM has."""
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimension(0, stored.shape[1])
    image.SetDimension(1, stored.shape[0])
    bits = dataset.BitsStored
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, bits, bits - 1, 0))
    kind = gdcm.PhotometricInterpretation.GetPIType(dataset.PhotometricInterpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(stored.astype("<u2", copy=False).tobytes())
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(image)
    if not change.Change():
        raise RuntimeError("GDCM could not encode the view as JPEG Lossless")
    fragment = change.GetOutput().GetDataElement().GetSequenceOfFragments().GetFragment(0)
    # GDCM hands bytes out as text with surrogate escapes
    return fragment.GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")
