"""A U-Net of the zoo through export, package and worker: the mask is hottest inside the lesion that was drawn."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.inference_worker_tests.factories import Bench
from tests.inference_worker_tests.unet_package import drawn_views, unet_package

SEED = 2026


@pytest.mark.slow
def test_a_fitted_unets_mask_lies_in_the_lesion_and_the_other_breast_stays_empty(bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    package = unet_package(tmp_path / "unet", seeds=(SEED,), side=96, width=8, steps=200)
    assert (package.manifest.task, package.manifest.explanation.targets) == ("segmentation", ("lesion",))
    bench.package_store(package)
    views = drawn_views((SEED,))
    images = [
        bench.image_add(view.to_dicom_bytes(), image_id=f"view-{number}", media_type="application/dicom")
        for number, view in enumerate(views)
    ]
    result = bench.pipeline.run(order=bench.order(package, *images), checkpoint=lambda stage: None)
    assert sum(bool(view.lesions) for view in views) == 2
    for view, image in zip(views, result.images, strict=True):
        (found,) = image.segmentations
        if not view.lesions:
            assert (found.regions, image.label) == (0, "no lesion"), image.view_position
            continue
        assert image.label == "lesion"
        (lesion,) = view.lesions
        layer = np.asarray(Image.open(io.BytesIO(bench.store.read(key=image.heatmaps[0].heatmap_key)))).astype(float)
        row, column = np.argwhere(layer == layer.max()).mean(axis=0)
        assert np.hypot(column - lesion.centre[0], row - lesion.centre[1]) < lesion.radius  # the preview has the original's size
        assert found.area_pixels == pytest.approx(np.pi * lesion.radius**2, rel=0.5)
        assert found.area_mm2 == pytest.approx(found.area_pixels * view.pixel_spacing_mm**2, rel=1e-3)
