"""Networks with random weights are the same ones in every run: a network drawn anew each time is, once in many, one whose map is zero."""

from __future__ import annotations

import sys

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before the fixtures, because they build networks too. Who never imports Keras does not wait for it here."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(0)
