"""From an ONNX graph and facts to a package on disk. No training framework, no terminal. See README.md."""
