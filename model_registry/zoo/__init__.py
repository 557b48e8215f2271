"""Model families in Keras 3, one folder or module each. Offline only: importing a family imports TensorFlow.

What a family builds is a `ZooModel`; what becomes of it is decided in training and export. `registry.zoo_build` builds by name.
"""
