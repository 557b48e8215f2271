"""The published demos' way of serving, rebuilt for comparison: one synchronous request does it all, in Keras.

A request holds a PNG; the answer comes after decode, resize, `model.predict`, an eager GradientTape for Grad-CAM and an overlay
as base64. The model is loaded once, which is kinder than some of the demos are. Runs as a process of its own:
`python -m tests.benchmarks.demos_way MODEL.keras PORT`. Not part of the product.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import numpy as np
from PIL import Image


class DemoModel:
    """A Keras classifier with its Grad-CAM twin: the same layers with the last feature map as a second output."""

    def __init__(self, path: str) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        self._keras = keras
        self.model = keras.models.load_model(path, safe_mode=True)
        feature_layer = self.model.get_layer("top_activation")
        self._grad_model = keras.Model(self.model.inputs, [feature_layer.output, self.model.output])
        self._size_hw = self.model.input_shape[1:3]

    def answer(self, png: bytes) -> dict[str, Any]:
        """What one request computes. `png` is the file as sent."""
        import tensorflow as tf

        picture = Image.open(io.BytesIO(png)).convert("RGB")
        rows, columns = self._size_hw
        small = np.asarray(picture.resize((columns, rows)), np.float32)[None]
        probability = float(np.ravel(self.model.predict(small, verbose=0))[0])
        with tf.GradientTape() as tape:
            features, score = self._grad_model(small, training=False)
            tape.watch(features)
            target = score[:, 0]
        gradients = tape.gradient(target, features)
        weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
        heat = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))[0].numpy()
        heat = heat / heat.max() if heat.max() > 0 else heat
        layer = Image.fromarray((heat * 255).astype(np.uint8)).resize(picture.size)
        overlay = Image.blend(picture, Image.merge("RGB", (layer, layer, layer)), 0.4)
        buffer = io.BytesIO()
        overlay.save(buffer, "JPEG")
        return {"probability": probability, "overlay": base64.b64encode(buffer.getvalue()).decode()}


def main() -> None:
    model = DemoModel(sys.argv[1])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = json.dumps(model.answer(body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """One line a request would drown the benchmark's own."""

    HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()


if __name__ == "__main__":
    main()
