"""`python -m model_registry sign FOLDER --key FILE`: sign a package that is whole. Checking a signature is `verify`'s."""

from __future__ import annotations

import argparse
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from model_registry.packaging.package import PackageError, package_verify
from model_registry.packaging.signature import KeyUnusable, package_sign, private_key_read

REFUSED = 1
UNUSABLE = 2


def main(arguments: Sequence[str]) -> int:
    """Returns 0, 1 when the package is refused, 2 when the key cannot be used or the signature not be written."""
    parser = argparse.ArgumentParser(
        prog="python -m model_registry sign", description="Verify a package's digests, then write its signature.json."
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key, OUT.key of keygen")
    options = parser.parse_args(arguments)
    try:
        key = private_key_read(options.key)
        if stat.S_IMODE(options.key.stat().st_mode) & 0o077:
            sys.stderr.write(f"warning: others can read {options.key}; chmod 600 it\n")
        package = package_verify(options.folder)
        signature = package_sign(options.folder, key)
    except KeyUnusable as error:
        sys.stderr.write(f"{error}\n")
        return UNUSABLE
    except PackageError as error:
        sys.stderr.write(f"{error.code}: {error.detail}\nNothing was signed: mend the package, or build it again.\n")
        return REFUSED
    except OSError as error:
        sys.stderr.write(f"the signature cannot be written: {error.strerror}: {error.filename}\n")
        return UNUSABLE
    sys.stdout.write(
        f"signed       {package.manifest.name} {package.manifest.version}\n"
        f"digest       {signature.digest}\n"
        f"key id       {signature.key_id}\n"
        f"next         python -m model_registry verify {options.folder} --trusted-keys PUBLIC_KEYS\n"
    )
    return 0
