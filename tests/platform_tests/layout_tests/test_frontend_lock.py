"""The front end's lock file installs on a fresh machine: complete for every platform, exact, without registry addresses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FRONTEND = Path(__file__).resolve().parents[3] / "frontend"


@pytest.fixture(scope="module")
def packages() -> dict[str, dict[str, Any]]:
    return dict(json.loads((FRONTEND / "package-lock.json").read_text())["packages"])


def test_every_optional_platform_build_is_locked(packages: dict[str, dict[str, Any]]) -> None:
    # Without its entry, `npm ci` refuses the whole lock; npm drops the entry when the registry at hand lacks that build.
    wanted = {name for package in packages.values() for name in package.get("optionalDependencies", {})}
    assert {name for name in wanted if f"node_modules/{name}" not in packages} == set()


def test_the_lock_names_no_registry(packages: dict[str, dict[str, Any]]) -> None:
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_every_direct_dependency_is_exact() -> None:
    manifest = json.loads((FRONTEND / "package.json").read_text())
    versions = {**manifest["dependencies"], **manifest["devDependencies"]}
    assert {name: version for name, version in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)} == {}
