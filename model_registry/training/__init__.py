"""Training recipes. Offline only: imports TensorFlow."""
