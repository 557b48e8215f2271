"""From a trained Keras model to a model package. Offline only: imports TensorFlow and tf2onnx."""
