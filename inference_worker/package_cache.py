"""Brings a model package from the object store to a local folder, once, and proves it whole. Loads no model.

The local copy is named after the package's digest and never changes. It is verified again whenever a session is about to be
built from it, so a damaged disk is noticed; a damaged copy is thrown away and fetched anew. Only the packages used last are
kept, so that years of promotions do not fill the disk.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from inference_worker.contract.failures import CATALOGUE, CodedError
from inference_worker.object_store import ObjectMissing, ObjectStore
from model_registry.packaging import (
    MANIFEST_NAME,
    MODEL_BYTES_MAXIMUM,
    SIGNATURE_NAME,
    Manifest,
    Package,
    PackageError,
    manifest_check,
    manifest_digest,
    package_verify,
)
from model_registry.packaging.signature import signature_require

logger = logging.getLogger(__name__)

#: Enough for every model in service and a rollback or two of each; a package that is missed is simply fetched again.
PACKAGES_KEPT = 12

_FETCHING = ".fetching-"
_ABANDONED_AFTER_SECONDS = 3600.0

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class PackageCache:
    """Verified packages on the local disk. Safe to share between processes: a folder appears whole, by renaming."""

    def __init__(
        self,
        *,
        folder: Path,
        store: ObjectStore,
        trusted_keys: Path | None = None,
        model_bytes_maximum: int = MODEL_BYTES_MAXIMUM,
    ) -> None:
        """With `trusted_keys`, a folder of public keys, only packages signed by one of them are handed out."""
        self._folder = folder
        self._store = store
        self._trusted_keys = trusted_keys
        self._model_bytes_maximum = model_bytes_maximum

    def package_get(self, *, package_digest: str, package_key: str) -> Package:
        """The verified package with this digest, fetched from the store's folder `package_key` if it is not here yet.

        Raises CodedError: model:package_missing, model:digest_mismatch, model:invalid_package, model:too_large, one of
        model:signature_missing, …_invalid and model:signer_unknown, or a storage failure.
        """
        match = _DIGEST.fullmatch(package_digest)
        if match is None:
            raise CodedError("system:contract_violation", "package_digest is not sha256:<64 hex digits>")
        local = self._folder / match.group(1)
        if local.is_dir():
            try:
                package = self._verified(local, package_digest)
                os.utime(local)  # the folder's time says when it was last used
                return package
            except PackageError as error:
                logger.warning("package.local_copy_damaged package_digest=%s: %s", package_digest, error.detail)
                shutil.rmtree(local, ignore_errors=True)
        return self._fetched(local=local, package_digest=package_digest, package_key=package_key)

    def _fetched(self, *, local: Path, package_digest: str, package_key: str) -> Package:
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_FETCHING, dir=self._folder))
        try:
            manifest = self._manifest_fetched(temporary, package_digest=package_digest, package_key=package_key)
            self._signature_fetched(temporary, package_key=package_key)
            for entry in manifest.files:
                target = temporary / entry.path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self._object(f"{package_key}/{entry.path}"))
            try:
                self._verified(temporary, package_digest)
            except PackageError as error:
                raise _as_coded(error) from error
            try:
                temporary.rename(local)
            except OSError as error:
                if not local.is_dir():
                    raise CodedError("system:storage_full", f"package cache: {type(error).__name__}") from error
                logger.info("package.fetched_elsewhere package_digest=%s", package_digest)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        logger.info("package.fetched package_digest=%s", package_digest)
        self._clean()
        try:
            return self._verified(local, package_digest)
        except PackageError as error:
            raise _as_coded(error) from error

    def _verified(self, folder: Path, package_digest: str) -> Package:
        """Whole, and signed where that is required: checked each time, so that a key which is taken away stops counting."""
        package = package_verify(folder, expected_digest=package_digest, model_bytes_maximum=self._model_bytes_maximum)
        signature_require(folder, keys_place=self._trusted_keys)
        return package

    def _clean(self) -> None:
        """Remove all but the packages used last, and what an interrupted fetch left. A loaded session needs no folder."""
        used = {path: path.stat().st_mtime for path in self._folder.iterdir() if path.is_dir()}
        packages = [path for path in used if re.fullmatch(r"[0-9a-f]{64}", path.name)]
        superfluous = sorted(packages, key=lambda path: used[path], reverse=True)[PACKAGES_KEPT:]
        interrupted = [
            path
            for path, since in used.items()
            if path.name.startswith(_FETCHING) and time.time() - since > _ABANDONED_AFTER_SECONDS
        ]
        for path in (*superfluous, *interrupted):
            shutil.rmtree(path, ignore_errors=True)
            logger.info("package.local_copy_removed folder=%s", path.name)

    def _manifest_fetched(self, temporary: Path, *, package_digest: str, package_key: str) -> Manifest:
        """The manifest is checked first: nothing else is fetched on the word of an altered one."""
        data = self._object(f"{package_key}/{MANIFEST_NAME}")
        if (found := manifest_digest(data)) != package_digest:
            raise CodedError("model:digest_mismatch", f"{MANIFEST_NAME} in the store has digest {found}")
        try:
            manifest = manifest_check(data, model_bytes_maximum=self._model_bytes_maximum)
        except PackageError as error:
            raise _as_coded(error) from error
        (temporary / MANIFEST_NAME).write_bytes(data)
        return manifest

    def _signature_fetched(self, temporary: Path, *, package_key: str) -> None:
        if self._trusted_keys is None:
            return
        with contextlib.suppress(ObjectMissing):  # then it is missing, which signature_require says in its own words
            (temporary / SIGNATURE_NAME).write_bytes(self._store.read(key=f"{package_key}/{SIGNATURE_NAME}"))

    def _object(self, key: str) -> bytes:
        try:
            return self._store.read(key=key)
        except ObjectMissing as error:
            raise CodedError("model:package_missing", error.detail) from error


def _as_coded(error: PackageError) -> CodedError:
    return CodedError(error.code if error.code in CATALOGUE else "model:invalid_package", error.detail)
