"""A model package: manifest, digest, reading, writing, verifying. Light enough for the platform: no NumPy, no ONNX at import."""

from model_registry.packaging.manifest import (
    MANIFEST_NAME,
    FileEntry,
    GoldenCase,
    Manifest,
    manifest_digest,
    manifest_read,
    summary,
)
from model_registry.packaging.package import (
    MODEL_BYTES_MAXIMUM,
    SIGNATURE_NAME,
    DigestMismatch,
    InvalidPackage,
    Package,
    PackageError,
    PackageMissing,
    PackageTooLarge,
    file_entries,
    manifest_check,
    package_read,
    package_verify,
    package_write,
)
from model_registry.packaging.profile import PreprocessingProfile

__all__ = [
    "MANIFEST_NAME",
    "MODEL_BYTES_MAXIMUM",
    "SIGNATURE_NAME",
    "DigestMismatch",
    "FileEntry",
    "GoldenCase",
    "InvalidPackage",
    "Manifest",
    "Package",
    "PackageError",
    "PackageMissing",
    "PackageTooLarge",
    "PreprocessingProfile",
    "file_entries",
    "manifest_check",
    "manifest_digest",
    "manifest_read",
    "package_read",
    "package_verify",
    "package_write",
    "summary",
]
