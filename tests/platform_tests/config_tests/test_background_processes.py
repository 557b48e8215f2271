"""The processes that read no files load nothing that reads files: each would start later and hold tens of megabytes more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import config

PLATFORM = Path(config.__file__).resolve().parents[1]
LOADED = """
import sys
import django
django.setup()
import jobs.dispatcher, jobs.ledger_tasks, notifications.delivery_loop
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_ledger_dispatcher_and_webhooks_load_no_library_that_reads_images(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{PLATFORM}{os.pathsep}{PLATFORM.parent}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "for this alone",
        "DATA_DIR": str(tmp_path),
    }
    answer = subprocess.run([sys.executable, "-c", LOADED], env=environment, capture_output=True, text=True, check=True)
    loaded = set(answer.stdout.split())
    assert {"django", "celery", "jobs"} <= loaded
    assert loaded & {"pydicom", "numpy", "PIL", "onnxruntime"} == set()
