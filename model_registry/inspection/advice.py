"""What to do about a refusal, for whoever runs a command. The platform has its own words for the same codes."""

from __future__ import annotations

ADVICE: dict[str, str] = {
    "model:package_missing": "Give the folder that holds manifest.json.",
    "model:invalid_package": "Build the package again; a package is never mended by hand, its digest would no longer fit.",
    "model:digest_mismatch": "The files are not the ones that were packaged: copy the package again from where it was built.",
    "model:too_large": "Export a smaller model, or keep large weights in external data beside it.",
    "model:corrupt_onnx": "Export the model again; the file is damaged, cut short, or no ONNX at all.",
    "model:unsupported_operator": "Export with standard operators and a known opset; custom operators are never loaded.",
    "model:external_data_outside": "Keep every data file of the model inside the package, listed by the manifest.",
    "model:label_count_mismatch": "Correct the manifest's classes, in training order, or take the model that belongs to them.",
    "model:weights_not_finite": "Training diverged, or the file is damaged: take an earlier checkpoint.",
    "model:shape_mismatch": "Make manifest and model agree: input_shape, profile, tensor names, grid_hw, an open batch.",
    "model:signature_missing": "Have it signed: python -m model_registry sign FOLDER --key FILE.",
    "model:signature_invalid": "Do not use it: the package or its signature was altered. Get it again from its signer.",
    "model:signer_unknown": "If the signer is to be trusted, put the public key (NAME.pem) among the trusted keys.",
    "model:golden_mismatch": "The model answers otherwise than when it was packaged: other weights, profile or order of classes.",
    "model:session_failed": "ONNX Runtime refused the model; its message says which node.",
}
