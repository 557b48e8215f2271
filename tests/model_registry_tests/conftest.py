"""Networks with random weights are the same in every run: among those drawn anew each time, one in many has a map of zeros."""

from __future__ import annotations

import sys

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the fixtures, because they build networks too. Who never imports Keras does not wait for it here."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(0)
