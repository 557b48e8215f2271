"""The sample study that ships with the platform: four synthetic views with a drawn mass, for a first look without a mammogram.

Files, because the platform makes no pictures: drawing them takes the numerics that only workers and engineers have. They are
`model_registry phantom --seed 2026 --size 1024x832 --transfer-syntax jpeg-ls --lesion spiculated-mass`, which a test repeats.
"""

from __future__ import annotations

from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile

FOLDER = Path(__file__).resolve().parent / "sample"
VIEWS = ("R-CC", "L-CC", "R-MLO", "L-MLO")
#: The study's reference, in every list, report and file that names studies.
EXTERNAL_ID = "SYNTHETIC-SAMPLE"


def sample_files() -> list[UploadedFile]:
    """The four views, as if somebody had sent them."""
    return [SimpleUploadedFile(f"{view}.dcm", (FOLDER / f"{view}.dcm").read_bytes(), "application/dicom") for view in VIEWS]
