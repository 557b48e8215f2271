"""Small files made on the spot: mammograms, PNGs and JPEGs of known content, whole or broken on purpose."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile, UploadedFile
from PIL import Image as Picture
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from accounts.models import Site
from common.object_store import ObjectStore
from studies.intake import ReceivedStudy, study_receive

MG = "1.2.840.10008.5.1.4.1.1.1.2"


def mammogram_make(**changes: Any) -> bytes:
    """A 96 x 80 mammogram as DICOM bytes. Keywords set or (None) delete attributes; `syntax` sets the transfer syntax."""
    syntax = changes.pop("syntax", ExplicitVRLittleEndian)
    dataset = Dataset()
    dataset.SOPClassUID = MG
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.10.99.1"
    dataset.StudyInstanceUID = "1.2.826.0.1.3680043.10.99.2"
    dataset.SeriesInstanceUID = "1.2.826.0.1.3680043.10.99.3"
    dataset.Modality = "MG"
    dataset.PatientName = "Roe^Jane"
    dataset.PatientID = "MRN-0042"
    dataset.PatientBirthDate = "19600229"
    dataset.ImageLaterality = "R"
    dataset.ViewPosition = "MLO"
    dataset.Rows, dataset.Columns = 96, 80
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = "2047.5", "4096"
    dataset.PixelData = (np.arange(96 * 80, dtype="<u2") % 4096).tobytes()
    dataset["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    meta.MediaStorageSOPClassUID = UID(dataset.get("SOPClassUID") or "1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = UID(dataset.get("SOPInstanceUID") or "1.2.3")
    meta.TransferSyntaxUID = syntax
    dataset.file_meta = meta
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def png_make(mode: str = "L", size: tuple[int, int] = (80, 96), **options: Any) -> bytes:
    """A PNG of random pixels, `size` in (columns, rows)."""
    pixels = np.random.default_rng(7).integers(0, 255, (size[1], size[0]), dtype=np.uint8)
    picture = Picture.fromarray(pixels.astype(np.uint16) * 257) if mode == "I;16" else Picture.fromarray(pixels).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


def jpeg_make(**options: Any) -> bytes:
    """A grey JPEG of 80 columns and 96 rows."""
    pixels = np.random.default_rng(7).integers(0, 255, (96, 80), dtype=np.uint8)
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def upload_make(data: bytes, name: str = "file") -> UploadedFile:
    """The bytes as the upload handler would hand them over: on disk."""
    upload = TemporaryUploadedFile(name, "application/octet-stream", len(data), None)
    upload.write(data)
    upload.flush()
    upload.seek(0)
    upload.size = len(data)
    return upload


@pytest.fixture
def mammogram() -> Callable[..., bytes]:
    return mammogram_make


@pytest.fixture
def png_bytes() -> Callable[..., bytes]:
    return png_make


@pytest.fixture
def jpeg_bytes() -> Callable[..., bytes]:
    return jpeg_make


@pytest.fixture
def receive(site: Site, store: ObjectStore, settings) -> Callable[..., ReceivedStudy]:
    """Intake of files given as bytes, or as (name, bytes)."""
    from pathlib import Path

    Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)

    def call(*files: bytes | tuple[str, bytes], at: Site = site, **fields: Any) -> ReceivedStudy:
        named = [file if isinstance(file, tuple) else ("file", file) for file in files]
        return study_receive(site=at, files=[upload_make(data, name) for name, data in named], **fields)

    return call


@pytest.fixture
def multipart() -> Callable[..., SimpleUploadedFile]:
    """A file for a test client's multipart request."""
    return lambda data, name="file": SimpleUploadedFile(name, data)
