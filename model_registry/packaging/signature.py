"""Who vouches for a package: `signature.json` beside the manifest, an Ed25519 signature over the manifest's digest.

The manifest lists every other file with its digest, so signing its digest signs the package. A signature says who released it,
not that it is good: verify the files first (`package_verify`). Trusted keys are a folder of public PEM files; a file's name
without its ending is the signer's name. Not imported with the room, so that reading packages needs no cryptography library.
"""

from __future__ import annotations

import base64
import datetime
import errno
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NewType

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_registry.packaging.manifest import Digest
from model_registry.packaging.package import SIGNATURE_NAME, InvalidPackage, PackageError, package_read, small_file_read
from model_registry.packaging.strict_json import strict_json_read

SIGNATURE_BYTES_MAXIMUM = 16 * 1024
KEY_BYTES_MAXIMUM = 16 * 1024

SignerName = NewType("SignerName", str)


class SignatureMissing(PackageError):
    """Trusted keys are configured and the package is not signed."""

    code = "model:signature_missing"


class SignatureRefused(PackageError):
    """signature.json is malformed, is for another manifest, or its signature is wrong."""

    code = "model:signature_invalid"


class SignerUnknown(PackageError):
    """The package is signed with a key that is not among the trusted ones."""

    code = "model:signer_unknown"


class KeyUnusable(ValueError):
    """A key file cannot be used. The text names the file and what is expected there."""


class Signature(BaseModel):
    """The content of signature.json. `signature` (base64) covers `digest` and `signed_at`; `key_id` is the sha256 of the raw
    public key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    algorithm: Literal["ed25519"] = "ed25519"
    key_id: Digest
    digest: Digest
    signature: str = Field(pattern=r"^[A-Za-z0-9+/]{86}==$")
    signed_at: str | None = Field(default=None, max_length=40)

    @property
    def message(self) -> bytes:
        """What is signed. The first line keeps a signature made for another purpose from passing as one for a package."""
        return f"mammoserve package signature {self.format}\n{self.digest}\n{self.signed_at or ''}\n".encode()


class TrustedKeys:
    """Public keys by their id, with the names of their holders."""

    def __init__(self, keys: Mapping[SignerName, Ed25519PublicKey]) -> None:
        self._by_id = {key_id(key): (name, key) for name, key in keys.items()}

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, wanted: str) -> tuple[SignerName, Ed25519PublicKey] | None:
        return self._by_id.get(wanted)


def key_id(key: Ed25519PublicKey) -> str:
    return "sha256:" + hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def package_sign(folder: Path | str, private_key: Ed25519PrivateKey) -> Signature:
    """Write signature.json for the package in `folder`, replacing an earlier one. The caller has verified the package.

    Raises as `package_read`, and OSError where it cannot be written.
    """
    package = package_read(folder)
    unsigned = Signature(
        key_id=key_id(private_key.public_key()),
        digest=package.digest,
        signature=base64.b64encode(bytes(64)).decode(),
        signed_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    signed = unsigned.model_copy(update={"signature": base64.b64encode(private_key.sign(unsigned.message)).decode()})
    # not inside the package: a crash would leave an unlisted file there, and the package would be refused
    with tempfile.TemporaryDirectory(dir=package.folder.resolve().parent, prefix=".signature-") as scratch:
        written = Path(scratch) / SIGNATURE_NAME
        written.write_bytes((signed.model_dump_json(indent=2) + "\n").encode())
        os.replace(written, package.folder / SIGNATURE_NAME)
    return signed


def signature_verify(folder: Path | str, trusted_keys: TrustedKeys) -> SignerName:
    """Who signed the manifest in `folder`. Proves nothing about the other files: that is `package_verify`.

    Raises SignatureMissing, SignatureRefused, SignerUnknown, or as `package_read`.
    """
    package = package_read(folder)
    signature = _signature_read(package.folder)
    found = trusted_keys.find(signature.key_id)
    if found is None:
        raise SignerUnknown(f"signed with key {signature.key_id}, which is not among the {len(trusted_keys)} trusted keys")
    name, key = found
    if signature.digest != package.digest:
        raise SignatureRefused(f"{SIGNATURE_NAME} is for {signature.digest}, the package has {package.digest}")
    try:
        key.verify(base64.b64decode(signature.signature), signature.message)
    except InvalidSignature as error:
        raise SignatureRefused(f"{SIGNATURE_NAME} names the key of {name}, which did not sign this") from error
    return name


def signature_require(folder: Path | str, *, keys_place: Path | str | None) -> SignerName | None:
    """As `signature_verify` with the keys at `keys_place`; None where no place is configured and signatures are not required.

    Keys that cannot be used trust nobody: that is SignerUnknown, not a way around the signature.
    """
    if not keys_place:
        return None
    try:
        keys = trusted_keys_read(keys_place)
    except KeyUnusable as error:
        raise SignerUnknown(f"no signer can be trusted: {error}") from error
    return signature_verify(folder, keys)


def _signature_read(folder: Path) -> Signature:
    try:
        data = small_file_read(folder / SIGNATURE_NAME, bytes_maximum=SIGNATURE_BYTES_MAXIMUM)
        strict_json_read(data)
        return Signature.model_validate_json(data)
    except FileNotFoundError as error:
        raise SignatureMissing(f"the package holds no {SIGNATURE_NAME}") from error
    except InvalidPackage as error:
        raise SignatureRefused(error.detail) from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'signature'}: {e['msg']}" for e in error.errors()[:5])
        raise SignatureRefused(f"{SIGNATURE_NAME} is not valid: {problems}") from error
    except ValueError as error:
        raise SignatureRefused(f"{SIGNATURE_NAME} is not valid: {error}") from error


def trusted_keys_read(place: Path | str) -> TrustedKeys:
    """The public keys in a PEM file, or in every `*.pem` of a folder. Raises KeyUnusable; no key at all is unusable too, because
    it would refuse every package without saying why."""
    place = Path(place)
    if place.is_dir():
        files = sorted(path for path in place.iterdir() if path.suffix == ".pem" and not path.name.startswith("."))
        if not files:
            raise KeyUnusable(f"{place} holds no *.pem file: put the signers' public keys there, one file each, named after them")
    else:
        files = [place]
    return TrustedKeys({SignerName(path.stem): public_key_read(path) for path in files})


def public_key_read(path: Path) -> Ed25519PublicKey:
    """Raises KeyUnusable for a file that is not the PEM of an Ed25519 public key."""
    data = _key_bytes(path)
    if b"PRIVATE KEY" in data:
        raise KeyUnusable(f"{path} is a private key: keep it with its holder and put the public one (*.pem of keygen) here")
    try:
        key = load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{path} is not a public key in PEM form") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusable(f"{path} is not an Ed25519 key; make one with keygen")
    return key


def private_key_read(path: Path) -> Ed25519PrivateKey:
    """Raises KeyUnusable for a file that is not the unencrypted PEM of an Ed25519 private key."""
    try:
        key = load_pem_private_key(_key_bytes(path), password=None)
    except TypeError as error:
        raise KeyUnusable(f"{path} is protected by a passphrase; decrypt it first (openssl pkey -in FILE -out PLAIN)") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{path} is not a private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{path} is not an Ed25519 key; make one with keygen")
    return key


def key_pair_write(*, private: Path, public: Path) -> str:
    """Make a key pair: the private key readable by its owner alone, the public one by everyone. Returns the key's id.

    Raises FileExistsError rather than replace a key, and other OSErrors.
    """
    if public.exists():
        raise FileExistsError(errno.EEXIST, "File exists", str(public))
    key = Ed25519PrivateKey.generate()
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with public.open("xb") as stream:
        stream.write(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key_id(key.public_key())


def _key_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(KEY_BYTES_MAXIMUM + 1)
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > KEY_BYTES_MAXIMUM:
        raise KeyUnusable(f"{path} is too large to be a key")
    return data
