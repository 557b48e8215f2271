"""A phantom view as a complete Digital Mammography X-Ray Image – For Presentation object (DICOM PS3.3 A.26).

Strict on writing: every mandatory attribute is there. Dates are fixed and UIDs derive from the study's key, so the same options
give the same bytes. Not for real images: the patient is marked as a phantom throughout.
"""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, DigitalMammographyXRayImageStorageForPresentation, ImplicitVRLittleEndian

from model_registry.phantom.encoding import TRANSFER_SYNTAXES, pixel_data_set
from model_registry.phantom.view import BITS_STORED, VIEWS, WINDOW_CENTRE, WINDOW_WIDTH, DrawnView

if TYPE_CHECKING:
    from pydicom.sr.coding import Code


_UID_NAMESPACE = uuid.UUID("6b1f2c0e-9d0f-5a64-8f3b-3f1d8f0a7c52")
_IMPLEMENTATION_UID = UID("2.25.142391776190911826142157263146083187794")
_STUDY_DATE, _STUDY_TIME = "20240115", "093000"
# rows and columns point to; PS3.3 C.7.6.1.1.1: anterior or posterior first, then left/right (CC) or feet (MLO)
_PATIENT_ORIENTATION = {("L", "CC"): ["A", "R"], ("R", "CC"): ["P", "L"], ("L", "MLO"): ["A", "F"], ("R", "MLO"): ["P", "F"]}
_VIEW_CODES = {"CC": codes.SCT.CranioCaudal, "MLO": codes.SCT.MedioLateralObliqueProjection}


def view_to_dicom(*, view: DrawnView) -> bytes:
    """The whole file, preamble and file meta included."""
    syntax = TRANSFER_SYNTAXES[view.transfer_syntax]
    number = VIEWS.index((view.image_laterality, view.view_position)) + 1
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = _uid(view.study_key, f"instance {number}")
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    meta.ImplementationVersionName = "MAMMOSERVE"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    _patient_study_series(dataset, view, number)
    _image(dataset, view)
    _acquisition(dataset, view)
    stored = view.pixels
    if view.photometric_interpretation == "MONOCHROME1":
        stored = np.uint16(2**BITS_STORED - 1) - stored
    pixel_data_set(dataset=dataset, stored=stored, transfer_syntax=syntax)
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True, enforce_file_format=True)
    return file.getvalue()


def _patient_study_series(dataset: Dataset, view: DrawnView, number: int) -> None:
    dataset.PatientName = f"PHANTOM^SEED {view.seed}"
    dataset.PatientID = f"PHANTOM-{view.seed}"
    dataset.PatientBirthDate = "19700101"
    dataset.PatientSex = "F"
    dataset.PatientAge = "054Y"
    dataset.QualityControlImage = "NO"
    dataset.StudyInstanceUID = _uid(view.study_key, "study")
    dataset.StudyID = str(view.seed)[:16]
    dataset.StudyDate, dataset.StudyTime = _STUDY_DATE, _STUDY_TIME
    dataset.StudyDescription = "Synthetic mammography"
    dataset.AccessionNumber = f"P{view.seed}"[:16]
    dataset.ReferringPhysicianName = ""
    dataset.Modality = "MG"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.SeriesInstanceUID = _uid(view.study_key, "series")
    dataset.SeriesNumber = 1
    dataset.SeriesDescription = "Synthetic four views"
    dataset.Manufacturer = "MammoServe"
    dataset.ManufacturerModelName = "Phantom"
    dataset.InstanceNumber = number


def _image(dataset: Dataset, view: DrawnView) -> None:
    inverted = view.photometric_interpretation == "MONOCHROME1"
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.ContentDate, dataset.ContentTime = _STUDY_DATE, _STUDY_TIME
    dataset.PatientOrientation = _PATIENT_ORIENTATION[view.image_laterality, view.view_position]
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = view.photometric_interpretation
    dataset.Rows, dataset.Columns = view.pixels.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = BITS_STORED
    dataset.HighBit = BITS_STORED - 1
    dataset.PixelRepresentation = 0
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = 1 if inverted else -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    # the LINEAR function is centred half a value below its centre, so the mirrored window's centre is 2^bits − centre
    dataset.WindowCenter = 2**BITS_STORED - WINDOW_CENTRE if inverted else WINDOW_CENTRE
    dataset.WindowWidth = WINDOW_WIDTH
    dataset.WindowCenterWidthExplanation = "NORMAL"
    dataset.VOILUTFunction = "LINEAR"


def _acquisition(dataset: Dataset, view: DrawnView) -> None:
    dataset.ImageLaterality = view.image_laterality
    dataset.AnatomicRegionSequence = [_code(codes.SCT.Breast)]
    dataset.BodyPartExamined = "BREAST"
    dataset.OrganExposed = "BREAST"
    dataset.ViewPosition = view.view_position
    view_code = _code(_VIEW_CODES[view.view_position])
    view_code.ViewModifierCodeSequence = []
    dataset.ViewCodeSequence = [view_code]
    dataset.PositionerType = "MAMMOGRAPHIC"
    dataset.PositionerPrimaryAngle = 0 if view.view_position == "CC" else 45
    spacing = f"{view.pixel_spacing_mm:.6f}"
    dataset.ImagerPixelSpacing = [spacing, spacing]
    dataset.DetectorType = "DIRECT"
    dataset.EstimatedRadiographicMagnificationFactor = 1
    dataset.AcquisitionContextSequence = []


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def _uid(study_key: str, what: str) -> UID:
    """Deterministic, and valid anywhere: the 2.25 arc of PS3.5 B.2."""
    return UID(f"2.25.{uuid.uuid5(_UID_NAMESPACE, f'{study_key} {what}').int}")
