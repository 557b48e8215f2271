"""Golden inputs: drawn breasts, so that no patient's image ships with a package, and what the exported graph answers for them."""

from __future__ import annotations

import io

import cv2
import numpy as np
import onnx
import onnxruntime

from model_registry.packaging.profile import PreprocessingProfile
from model_registry.preprocessing import image_decode, image_prepare

SIZE = 512
# (seed, chest wall on the right, lesion radius in pixels): without lesion, with a large one, with a small one on the other side
DRAWINGS = ((1, False, 0.0), (2, False, 30.0), (3, True, 14.0))


def drawing_png(*, seed: int, chest_wall_right: bool, lesion_radius: float) -> bytes:
    """An 8-bit PNG of a half-ellipse with smooth texture and, on request, one bright round mass. Not a believable mammogram."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    inside = (columns / 330) ** 2 + ((rows - SIZE / 2) / 225) ** 2
    texture = sum(
        cv2.GaussianBlur(random.normal(size=(SIZE, SIZE)).astype(np.float32), (0, 0), sigma) * sigma * 14
        for sigma in (3.0, 9.0, 27.0)
    )
    image = 95 + 45 * np.clip(1 - inside, 0, 1) + texture
    if lesion_radius:
        row, column = SIZE / 2 + random.uniform(-60, 60), random.uniform(110, 200)
        image += 70 * np.exp(-0.5 * (np.hypot(rows - row, columns - column) / (0.7 * lesion_radius)) ** 2)
    edge = np.clip((1 - inside) * 12, 0, 1)
    pixels = np.clip(image * edge, 0, 255).astype(np.uint8)
    if chest_wall_right:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def golden_contents(
    *, model: onnx.ModelProto, profile: PreprocessingProfile, tolerance: float
) -> tuple[dict[str, bytes], list[dict[str, object]]]:
    """Files of the package (path → bytes) and the manifest's golden cases, from file bytes through the whole serving path."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    contents: dict[str, bytes] = {}
    cases: list[dict[str, object]] = []
    for index, (seed, chest_wall_right, lesion_radius) in enumerate(DRAWINGS, start=1):
        data = drawing_png(seed=seed, chest_wall_right=chest_wall_right, lesion_radius=lesion_radius)
        prepared = image_prepare(image=image_decode(data=data, media_type="image/png"), profile=profile)
        found = session.run(["logits", "probabilities", "heatmaps"], {"image": prepared.tensor[np.newaxis]})
        stream = io.BytesIO()
        np.savez_compressed(stream, logits=found[0][0], probabilities=found[1][0], heatmaps=found[2][0])
        contents[f"golden/drawing-{index}.png"] = data
        contents[f"golden/drawing-{index}.npz"] = stream.getvalue()
        cases.append({"image": f"golden/drawing-{index}.png", "expected": f"golden/drawing-{index}.npz", "tolerance": tolerance})
    return contents, cases
