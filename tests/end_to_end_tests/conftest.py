"""One running product for all end-to-end tests that do not break it, and synthetic images to send to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from model_registry.phantom import PhantomView, phantom_study
from tests.end_to_end_tests.schema_check.ground import SETTINGS
from tests.end_to_end_tests.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Shared: leave it as you found it."""
    # Empty: webhooks may be sent to every port, because a test's receiver listens on whatever port is free.
    with Stack(data_dir=tmp_path_factory.mktemp("stack"), **{**SETTINGS, "WEBHOOKS_PORTS": ""}) as running:
        yield running


@pytest.fixture(scope="session")
def phantom() -> list[PhantomView]:
    """Four small views of one synthetic patient."""
    return phantom_study(seed=7, size_hw=(1024, 832))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder for a product of the test's own."""
    return tmp_path / "data"
