"""`make schema-check`: start the product in a folder that is gone afterwards, and hold every answer it gives, to callers of every
kind, against its OpenAPI document. Status 0 without findings; what was found is printed.

`--examples` writes the document's examples instead: what the product was asked and answered.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.end_to_end_tests.schema_check.examples import EXAMPLES, examples_collect, examples_write
from tests.end_to_end_tests.schema_check.ground import CALLERS, SETTINGS, ground_prepare
from tests.end_to_end_tests.schema_check.run import THOROUGH, api_check
from tests.end_to_end_tests.stack import Stack


def main() -> int:
    parser = argparse.ArgumentParser(prog="make schema-check")
    parser.add_argument("--examples", action="store_true", help="write the document's examples and check nothing")
    parser.add_argument("--callers", nargs="+", choices=CALLERS, default=CALLERS)
    parser.add_argument("--cases", type=int, default=THOROUGH.examples, help="made up for each operation and phase")
    arguments = parser.parse_args()
    passed = True
    with tempfile.TemporaryDirectory() as folder, Stack(data_dir=Path(folder) / "data", **SETTINGS) as stack:
        ground = ground_prepare(stack)
        if arguments.examples:
            examples_write(examples_collect(stack, ground))
            print(f"Written: {EXAMPLES}")  # noqa: T201
            return 0
        for caller in arguments.callers:
            started = time.monotonic()
            effort = replace(THOROUGH, examples=arguments.cases)
            outcome = api_check(url=stack.url, ground=ground, caller=caller, effort=effort, folder=Path(folder) / caller)
            passed &= outcome.passed
            print(f"{'ok' if outcome.passed else 'FOUND'}  {caller}: {outcome.summary} in {time.monotonic() - started:.0f} s")  # noqa: T201
            if not outcome.passed:
                print(outcome.report)  # noqa: T201
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
