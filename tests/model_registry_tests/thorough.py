"""How many random cases are tried: the usual number, or twenty times as many with THOROUGH_TESTS=1."""

from __future__ import annotations

import os


def examples(usual: int) -> int:
    return usual * 20 if os.environ.get("THOROUGH_TESTS") == "1" else usual
