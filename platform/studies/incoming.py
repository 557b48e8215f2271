"""The folder that requests are received in. Apart from the reading of files, which the reaper's process need not load."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)


def incoming_sweep(*, older_than_seconds: float = 3600.0) -> int:
    """Remove what a killed process left behind: files, and folders that archives were unpacked in; returns how many.

    Safe while others receive."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    removed = 0
    for path in folder.glob("*") if folder.is_dir() else ():
        try:
            if time.time() - path.stat().st_mtime <= older_than_seconds:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed += 1
        except FileNotFoundError:
            continue  # its own request was quicker
        except OSError as error:
            logger.warning("incoming: a temporary file cannot be removed: %s", type(error).__name__)
    return removed
