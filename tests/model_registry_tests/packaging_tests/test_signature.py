"""Who signed a package: what is accepted, what is refused and with which code, and the two commands."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat

from inference_worker.contract.failures import CATALOGUE
from model_registry.cli import main
from model_registry.packaging import package_verify, package_write
from model_registry.packaging.signature import (
    KeyUnusable,
    SignatureMissing,
    SignatureRefused,
    SignerUnknown,
    key_pair_write,
    package_sign,
    private_key_read,
    signature_require,
    signature_verify,
    trusted_keys_read,
)
from tests.model_registry_tests.packaging_tests.test_package import CONTENTS, manifest_fields


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder of two public keys; the private ones lie beside it."""
    (tmp_path / "trusted").mkdir()
    for name in ("radiology-lab", "second-lab"):
        key_pair_write(private=tmp_path / f"{name}.key", public=tmp_path / "trusted" / f"{name}.pem")
    return tmp_path / "trusted"


@pytest.fixture
def signed(tmp_path: Path, keys: Path) -> Path:
    folder = package_write(folder=tmp_path / "known-answer", manifest=manifest_fields(), contents=CONTENTS).folder
    package_sign(folder, private_key_read(tmp_path / "radiology-lab.key"))
    return folder


def altered(folder: Path, **changes: object) -> Path:
    path = folder / "signature.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_a_signed_package_names_its_signer_and_stays_whole(signed: Path, keys: Path) -> None:
    assert signature_verify(signed, trusted_keys_read(keys)) == "radiology-lab"
    assert signature_verify(signed, trusted_keys_read(keys / "radiology-lab.pem")) == "radiology-lab"
    package = package_verify(signed)
    assert json.loads((signed / "signature.json").read_text())["digest"] == package.digest
    assert sorted(path.name for path in signed.parent.iterdir() if path.name.startswith(".")) == []


def test_signing_again_replaces_the_signature(signed: Path, keys: Path, tmp_path: Path) -> None:
    package_sign(signed, private_key_read(tmp_path / "second-lab.key"))
    assert signature_verify(signed, trusted_keys_read(keys)) == "second-lab"


def test_an_unsigned_package_is_said_to_be_unsigned(signed: Path, keys: Path) -> None:
    (signed / "signature.json").unlink()
    with pytest.raises(SignatureMissing) as caught:
        signature_verify(signed, trusted_keys_read(keys))
    assert caught.value.code == "model:signature_missing"


def test_a_stranger_is_unknown(signed: Path, keys: Path) -> None:
    with pytest.raises(SignerUnknown) as caught:
        signature_verify(signed, trusted_keys_read(keys / "second-lab.pem"))
    assert caught.value.code == "model:signer_unknown"


def test_a_signature_of_another_package_is_refused(signed: Path, keys: Path, tmp_path: Path) -> None:
    other = package_write(folder=tmp_path / "other", manifest=manifest_fields() | {"version": "2.0.0"}, contents=CONTENTS)
    (other.folder / "signature.json").write_bytes((signed / "signature.json").read_bytes())
    with pytest.raises(SignatureRefused, match="is for sha256"):
        signature_verify(other.folder, trusted_keys_read(keys))
    altered(other.folder, digest=other.digest)
    with pytest.raises(SignatureRefused, match="did not sign this") as caught:
        signature_verify(other.folder, trusted_keys_read(keys))
    assert caught.value.code == "model:signature_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": "A" * 86 + "=="},
        {"signature": "short"},
        {"signed_at": "2020-01-01T00:00:00+00:00"},
        {"algorithm": "none"},
        {"format": 2},
        {"key_id": "sha256:0"},
        {"comment": "unknown field"},
    ],
)
def test_an_altered_signature_is_refused(signed: Path, keys: Path, changes: dict[str, object]) -> None:
    with pytest.raises(SignatureRefused):
        signature_verify(altered(signed, **changes), trusted_keys_read(keys))


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b"\xff", b'{"format": 1, "format": 1}', b" " * 20_000])
def test_a_signature_file_that_is_none_is_refused(signed: Path, keys: Path, data: bytes) -> None:
    (signed / "signature.json").write_bytes(data)
    with pytest.raises(SignatureRefused):
        signature_verify(signed, trusted_keys_read(keys))


def test_a_linked_signature_is_refused(signed: Path, keys: Path, tmp_path: Path) -> None:
    (signed / "signature.json").rename(tmp_path / "signature.json")
    (signed / "signature.json").symlink_to(tmp_path / "signature.json")
    with pytest.raises(SignatureRefused):
        signature_verify(signed, trusted_keys_read(keys))


def test_keys_that_cannot_be_used_are_told_apart(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(KeyUnusable, match=r"holds no \*.pem"):
        trusted_keys_read(tmp_path / "empty")
    with pytest.raises(KeyUnusable, match="is a private key"):
        trusted_keys_read(tmp_path / "radiology-lab.key")
    with pytest.raises(KeyUnusable, match="cannot be read"):
        trusted_keys_read(tmp_path / "nowhere.pem")
    with pytest.raises(KeyUnusable, match="not a private key"):
        private_key_read(keys / "radiology-lab.pem")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "rsa.pem").write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(KeyUnusable, match="not an Ed25519 key"):
        trusted_keys_read(tmp_path / "rsa.pem")
    secret = private_key_read(tmp_path / "radiology-lab.key")
    locked = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    (tmp_path / "locked.key").write_bytes(locked)
    with pytest.raises(KeyUnusable, match="passphrase"):
        private_key_read(tmp_path / "locked.key")


def test_signatures_are_required_only_where_keys_are_configured_and_unusable_keys_trust_nobody(
    signed: Path, keys: Path, tmp_path: Path
) -> None:
    assert signature_require(signed, keys_place=None) is None
    assert signature_require(signed, keys_place="") is None
    assert signature_require(signed, keys_place=keys) == "radiology-lab"
    with pytest.raises(SignerUnknown, match="no signer can be trusted"):
        signature_require(signed, keys_place=tmp_path / "nowhere")


def test_the_commands_make_keys_and_sign(signed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new.lab"
    assert main(["keygen", str(out)]) == 0
    assert stat.S_IMODE((tmp_path / "new.lab.key").stat().st_mode) == 0o600
    assert main(["sign", str(signed), "--key", f"{out}.key"]) == 0
    assert signature_verify(signed, trusted_keys_read(tmp_path / "new.lab.pem")) == "new.lab"
    assert main(["keygen", str(out)]) == 2
    assert "is not replaced" in capsys.readouterr().err
    assert main(["sign", str(signed), "--key", f"{out}.pem"]) == 2
    assert main(["sign", str(tmp_path), "--key", f"{out}.key"]) == 1
    (signed / "model.onnx").write_bytes(b"altered")
    before = (signed / "signature.json").read_bytes()
    assert main(["sign", str(signed), "--key", f"{out}.key"]) == 1
    assert "Nothing was signed" in capsys.readouterr().err
    assert (signed / "signature.json").read_bytes() == before


def test_every_code_has_its_words_in_the_catalogue() -> None:
    assert {error.code for error in (SignatureMissing, SignatureRefused, SignerUnknown)} <= set(CATALOGUE)
