"""Small DICOM and raster files built for one test each; nothing here comes from a real image."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

MG_PRESENTATION = UID("1.2.840.10008.5.1.4.1.1.1.2")


def dicom_bytes(pixels: np.ndarray, *, transfer_syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> bytes:
    """A grey single-frame object around `pixels`; `attributes` are DICOM keywords, and None removes one."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MG_PRESENTATION
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = UID(transfer_syntax)
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = MG_PRESENTATION, meta.MediaStorageSOPInstanceUID
    dataset.Modality = "MG"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    file = io.BytesIO()
    implicit = transfer_syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(file, dataset, implicit_vr=implicit, little_endian=transfer_syntax != "1.2.840.10008.1.2.2")
    return file.getvalue()


def lut(first: int, values: list[int], bits: int, *, packed: bool = False) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values), first & 0xFFFF, bits])
    data = np.asarray(values, np.uint8 if packed else "<u2").tobytes()
    item.add_new("LUTData", "OW", data)
    return item


def png_bytes(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
