"""What the integrator's guide and the client's page show is run, word for word, against the real processes."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from model_registry.phantom import PhantomView
from tests.end_to_end_tests.stack import ROOT, Stack

pytestmark = [pytest.mark.processes, pytest.mark.timeout(280)]

GUIDE = ROOT / "platform" / "docs" / "README.md"
CLIENT = ROOT / "platform" / "client" / "README.md"
CLIENT_SOURCE = ROOT / "platform" / "client" / "src"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)


@pytest.fixture
def desk(stack: Stack, phantom: list[PhantomView], tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """An integrator's folder with two pictures and two studies, and the environment that the guide asks for."""
    for name, view in zip(("rcc.png", "lcc.png"), phantom, strict=False):
        (tmp_path / name).write_bytes(view.to_png_bytes())
    for number, view in enumerate(phantom[:2]):
        place = tmp_path / "studies" / f"case-{number}"
        place.mkdir(parents=True)
        (place / "view.png").write_bytes(view.to_png_bytes())
    programs = tmp_path / "bin"
    programs.mkdir()
    client = programs / "mammoserve"
    client.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mammoserve_client.cli "$@"\n')
    client.chmod(client.stat().st_mode | stat.S_IXUSR)
    return tmp_path, {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(CLIENT_SOURCE),
        "MAMMOSERVE_URL": stack.url,
        "MAMMOSERVE_TOKEN": stack.access["token"],
    }


def run(command: list[str], *, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="the guide's commands need curl and jq")
def test_the_guides_commands_do_what_it_says(desk: tuple[Path, dict[str, str]]) -> None:
    folder, environment = desk
    exports, *commands = blocks(GUIDE, "bash")
    assert exports.count("export ") == 2
    assert len(commands) == 3
    printed = run(["bash", "-euo", "pipefail", "-c", "\n".join(commands)], cwd=folder, env=environment)

    assert re.search(r"^0?\.\d+$", printed, re.M), printed
    assert "2 of 2 studies have a result: results.csv" in printed
    assert printed.count('"status":"succeeded"') == 2
    for name in ("results.csv", "answers.csv", "heatmaps.zip"):
        assert (folder / name).stat().st_size > 100, name


def test_the_clients_examples_run(desk: tuple[Path, dict[str, str]]) -> None:
    folder, environment = desk
    one, several = blocks(CLIENT, "python")
    assert re.search(r"^0\.\d+.* against 0\.\d+", run([sys.executable, "-c", one], cwd=folder, env=environment))
    printed = run([sys.executable, "-c", several], cwd=folder, env=environment)
    assert printed.split() == ["case-0", "succeeded", "case-1", "succeeded"]
