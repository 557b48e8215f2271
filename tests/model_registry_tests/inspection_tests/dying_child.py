"""Stands in for the inspecting process to die as a hostile model would make it: the file's name says how."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path


def main() -> None:
    request = json.load(sys.stdin)
    finding = {"code": "model:weights_not_finite", "detail": "before", "severity": "error", "node": "", "tensor": "weights"}
    sys.stdout.write(json.dumps({"finding": finding}) + "\n")
    sys.stdout.write('{"finding": {"code": "mod')  # cut short, as a dying process leaves it
    sys.stdout.flush()
    way = Path(request["path"]).name
    if way == "crash":
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), signal.SIGSEGV)
    elif way == "raise":
        raise RuntimeError("odd")
    elif way == "memory":
        resource.setrlimit(resource.RLIMIT_AS, (request["limits"]["memory_bytes"],) * 2)
        bytearray(2 * request["limits"]["memory_bytes"])
    else:
        time.sleep(600)


if __name__ == "__main__":
    main()
