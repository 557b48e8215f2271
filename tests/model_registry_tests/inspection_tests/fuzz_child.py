"""Mutates a sound model hundreds of times with a seed and inspects every mutant in this one process; prints how many it refused.

Runs apart from the tests: should a mutant crash the native checks, it is this process that dies.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from model_registry.inspection import InspectionLimits, Severity
from model_registry.inspection.checks import model_checks
from model_registry.packaging.manifest import manifest_read


def mutant(data: bytes, dice: random.Random) -> bytes:
    kind = dice.randrange(4)
    if kind == 0:
        return data[: dice.randrange(1, len(data))]
    changed = bytearray(data)
    at = dice.randrange(len(changed))
    if kind == 1:
        for _ in range(dice.randrange(1, 8)):
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    elif kind == 2:
        changed[at : at + dice.randrange(1, 16)] = dice.randbytes(dice.randrange(1, 16))
    else:
        changed[at:at] = changed[dice.randrange(len(changed)) :][: dice.randrange(1, 64)]
    return bytes(changed)


def main() -> None:
    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    manifest = manifest_read((folder / "manifest.json").read_bytes())
    data = (folder / "model.onnx").read_bytes()
    dice = random.Random(seed)
    refused = 0
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        for number in range(count):
            path.write_bytes(mutant(data, dice))
            sys.stderr.write(f"{number}\n")
            found = model_checks(path, manifest=manifest, limits=InspectionLimits(), facts_found=lambda _: None)
            refused += any(finding.severity is Severity.ERROR for finding in list(found))
    sys.stdout.write(f"{refused}")


if __name__ == "__main__":
    main()
