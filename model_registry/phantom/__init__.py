"""Synthetic mammograms and complete DICOM studies from a seed, for demonstration, tests and load.

Entry point: `phantom_study`. No real image is used or needed.
"""

from model_registry.phantom.lesions import LESION_KINDS, Lesion, LesionKind
from model_registry.phantom.study import DEFAULT_SIZE_HW, PhantomView, phantom_study

__all__ = ["DEFAULT_SIZE_HW", "LESION_KINDS", "Lesion", "LesionKind", "PhantomView", "phantom_study"]
