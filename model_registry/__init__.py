"""What a model is, and where models come from. Imports neither the platform nor the inference worker."""
