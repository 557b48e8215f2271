"""`python -m model_registry keygen OUT`: make a signer's keys. Parses, calls and prints; the keys are signature's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model_registry.packaging.signature import key_pair_write

UNUSABLE = 2


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 2 when the files cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m model_registry keygen",
        description="Make a signer's Ed25519 keys. OUT.key is private and stays with the signer. OUT.pem is public and goes to "
        "those who are to trust the signer; its file name is the signer's name there.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="path without ending, e.g. keys/radiology-lab")
    out: Path = parser.parse_args(arguments).out
    private, public = out.with_name(out.name + ".key"), out.with_name(out.name + ".pem")
    try:
        identity = key_pair_write(private=private, public=public)
    except FileExistsError as error:
        sys.stderr.write(f"{error.filename} exists and is not replaced: give another name, or move the old keys away\n")
        return UNUSABLE
    except OSError as error:
        sys.stderr.write(f"the keys cannot be written: {error.strerror}: {error.filename}\n")
        return UNUSABLE
    sys.stdout.write(
        f"private key  {private}  (readable by you alone; whoever holds it can sign as {out.name})\n"
        f"public key   {public}  (put it into the folder PACKAGE_TRUSTED_KEYS of platform and workers)\n"
        f"key id       {identity}\n"
        f"next         python -m model_registry sign FOLDER --key {private}\n"
    )
    return 0
