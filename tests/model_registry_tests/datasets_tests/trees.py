"""Small trees of the published layouts, made for one test each; nothing here comes from a real image."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image

from tests.model_registry_tests.preprocessing_tests.factories import dicom_bytes

STUDY = "1.3.6.1.4.1.9590.100.1.2.1"


def put(path: Path, data: bytes | str = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def picture(path: Path, *, seed: int = 0, size: tuple[int, int] = (8, 6)) -> Path:
    """A grey image of (rows, columns) random values by `seed`, in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)).save(path)
    return path


def dicom(
    path: Path, *, size: tuple[int, int], dtype: type = np.uint16, square: tuple[slice, slice] | None = None, **tags
) -> Path:
    """A DICOM image of (rows, columns); `square` is set to the highest value."""
    pixels: np.ndarray = np.zeros(size, dtype=dtype)
    if square is not None:
        pixels[square] = np.iinfo(dtype).max
    return put(path, dicom_bytes(pixels, **tags))


def xlsx(path: Path, rows: Sequence[Sequence[object]], *, sheet: str = "Data") -> Path:
    """The smallest workbook a reader of the format accepts: texts inline, numbers as numbers."""

    def cell(value: object) -> str:
        if isinstance(value, int | float):
            return f"<c><v>{value}</v></c>"
        return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'

    lines = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{relations}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relations}"><sheets><sheet name="{sheet}" sheetId="1" r:id="r1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{content}')
    return path


def outline(*rois: tuple[str, Sequence[tuple[float, float]]]) -> str:
    """An OsiriX property list as INbreast's AllXML holds them."""
    entries = "".join(
        f"<dict><key>Name</key><string>{name}</string><key>NumberOfPoints</key><integer>{len(points)}</integer>"
        f"<key>Point_px</key><array>{''.join(f'<string>({x:f}, {y:f})</string>' for x, y in points)}</array></dict>"
        for name, points in rois
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" '
        '"http://www.apple.com/DTDs/PropertyList-1.0.dtd"><plist version="1.0"><dict><key>Images</key><array><dict>'
        f"<key>ROIs</key><array>{entries}</array></dict></array></dict></plist>"
    )
