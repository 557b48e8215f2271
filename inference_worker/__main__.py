"""`python -m inference_worker`: the worker with its settings filled in. Further arguments go to Celery's worker command."""

from __future__ import annotations

import sys

from inference_worker.contract.queues import MAINTENANCE_QUEUE, ORDER_QUEUES
from inference_worker.settings import SettingsError, settings_from_environment


def main() -> int:
    """Start the worker in this process. Returns 2 when the environment is not set right, and says what to set."""
    try:
        settings = settings_from_environment()
    except SettingsError as error:
        sys.stderr.write(f"inference worker: {error}\n")
        return 2
    from inference_worker.celery_app import app

    app.worker_main([
        "worker", "--pool", "threads", "--concurrency", str(settings.worker_threads),
        "--queues", ",".join((*ORDER_QUEUES, MAINTENANCE_QUEUE)), "--hostname", settings.worker_name,
        "--without-gossip", "--without-mingle", "--loglevel", "INFO", *sys.argv[1:],
    ])  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
