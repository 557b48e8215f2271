"""A model package: manifest, digest, reading, writing, verifying. Light enough for the platform: no NumPy, no ONNX at import."""
