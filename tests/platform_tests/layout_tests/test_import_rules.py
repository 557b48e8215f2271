"""The house rules of ARCHITECTURE: who may import whom, what a serving process may load, and the trap of the folder's name."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
BOTH_ROOTS = os.pathsep.join((str(ROOT / "platform"), str(ROOT)))
OFFLINE = {"tensorflow", "keras", "tf2onnx", "sklearn", "matplotlib", "torch", "pytest"}


def fresh_interpreter(code: str, **environment: str) -> str:
    """What a new interpreter, started in the repository root, prints. Fails the test with its traceback."""
    clean = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "DJANGO_SETTINGS_MODULE"}}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_platform_folder_is_no_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()


@pytest.mark.parametrize("pythonpath", ["", BOTH_ROOTS], ids=["bare", "both roots"])
def test_the_standard_librarys_platform_wins_in_a_fresh_interpreter(pythonpath: str) -> None:
    environment = {"PYTHONPATH": pythonpath} if pythonpath else {}
    assert fresh_interpreter("import platform; print(platform.system())", **environment) == os.uname().sysname


def test_no_test_folder_shadows_a_room() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir()} | {path.name for path in (ROOT / "platform").iterdir()}
    assert not rooms & {path.name for path in (ROOT / "tests").rglob("*") if path.is_dir()}


def test_the_import_contracts_are_kept() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": BOTH_ROOTS},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " kept, 0 broken" in done.stdout


def test_the_contract_imports_the_standard_library_alone() -> None:
    imported = set()
    for path in (ROOT / "inference_worker" / "contract").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    foreign = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith("inference_worker.contract")} == set()


@pytest.mark.parametrize(
    "modules",
    [
        pytest.param("import config.wsgi, config.urls, jobs.ledger_tasks", id="web"),
        pytest.param("import config.celery_app, jobs.ledger_tasks", id="ledger"),
        pytest.param("import django; django.setup(); import jobs.management.commands.run_dispatcher", id="dispatcher"),
        pytest.param("import inference_worker.celery_app, inference_worker.tasks, inference_worker.pipeline", id="worker"),
    ],
)
def test_a_serving_process_loads_nothing_that_belongs_offline(modules: str, tmp_path: Path) -> None:
    loaded = fresh_interpreter(
        f"import sys; {modules}; print(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))",
        PYTHONPATH=BOTH_ROOTS,
        DJANGO_SETTINGS_MODULE="config.settings",
        SECRET_KEY="of this test alone",
        DATA_DIR=str(tmp_path),
        BROKER_URL="memory://",
        OBJECT_STORE_URL=f"file://{tmp_path}",
    )
    # One line may precede it on stdout: the last one is ours.
    assert set(loaded.splitlines()[-1].split()) & OFFLINE == set()


def test_the_worker_starts_where_neither_django_nor_a_database_nor_training_code_is_installed(tmp_path: Path) -> None:
    absent = sorted({*OFFLINE - {"pytest"}, "django", "rest_framework", "psycopg", "sqlite3"})
    loaded = fresh_interpreter(
        f"import sys; sys.modules.update(dict.fromkeys({absent})); "
        "import inference_worker.celery_app, inference_worker.tasks, inference_worker.pipeline; print('started')",
        PYTHONPATH=str(ROOT),
        BROKER_URL="memory://",
        OBJECT_STORE_URL=f"file://{tmp_path}",
    )
    assert loaded.splitlines()[-1] == "started"
