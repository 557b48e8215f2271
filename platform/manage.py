#!/usr/bin/env python
"""Django's command line for the platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    # Both roots, so that the command works from any folder. The platform folder itself is never a package: see README.
    here = Path(__file__).resolve().parent
    for root in (str(here.parent), str(here)):
        if root not in sys.path:
            sys.path.insert(0, root)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["up"]:  # one machine: settings make their own secret key
        os.environ.setdefault("MAMMOSERVE_EMBEDDED", "1")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
