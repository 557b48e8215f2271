"""The whole product on one machine: the story of `make run` and `make demo`.

Reads like a table of contents; the parts live in embedded (Redis, environment), launcher_processes (keeping them up),
launcher_seed (what a first start puts in place) and launcher_demo (a client of the API). Not for production: there
docker-compose.yml or an orchestrator starts the same commands.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console

from config import launcher_demo, launcher_seed
from config.embedded import (
    LOOPBACK,
    REPOSITORY_ROOT,
    EmbeddedServiceError,
    child_environment,
    port_check_free,
    redis_broker_url,
    redis_command,
    redis_executable,
    socket_path,
)
from config.launcher_demo import DemoFailedError
from config.launcher_processes import ChildSpec, Supervisor

READY_LIMIT_SECONDS = 120.0
RESULT_LIMIT_SECONDS = 180.0
#: Celery's own chatter between workers: liveness is in the database, and each message costs both cores something.
QUIET = ("--without-mingle", "--without-gossip", "--without-heartbeat")
#: A process that ends this often before the start is complete will not come up.
CRASHES_BEFORE_GIVING_UP = 3
#: The part that /readyz calls not ready → the process whose log tells why.
GUILTY = {"worker": "worker", "queue": "dispatcher", "broker": "redis", "database": "web", "object_store": "web"}


class LaunchError(Exception):
    """The platform could not be brought up. `culprit` names the process whose log tells why, if one is to blame."""

    def __init__(self, message: str, *, culprit: str | None = None) -> None:
        super().__init__(message)
        self.culprit = culprit


class Stopped(Exception):
    """Somebody asked the launcher to stop: Ctrl-C, SIGTERM, or the terminal was closed."""


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """What `manage.py up` was asked for. `broker_url` empty: start a private Redis."""

    data_dir: Path
    port: int
    broker_url: str
    demo_only: bool = False
    without_study: bool = False


class Launcher:
    """One start, from an empty folder to a stopped machine. Call `run` once."""

    def __init__(self, *, options: LaunchOptions, console: Console) -> None:
        self._options = options
        self._console = console
        self._url = f"http://localhost:{options.port}"
        self._supervisor = Supervisor(
            log_dir=options.data_dir / "logs", state_file=options.data_dir / "run" / "processes.json", announce=self._warn
        )

    def run(self) -> int:
        """Bring everything up, show the demo, stay or leave. Returns the exit status; every process is stopped by then."""
        began = time.monotonic()
        try:
            with _signals_raise(), data_dir_locked(self._options.data_dir):
                port_check_free(port=self._options.port)
                try:
                    return self._run(began)
                finally:
                    self._stop()
        except Stopped:
            return 130
        except EmbeddedServiceError as error:
            self._console.print(f"[bold red]Cannot start.[/bold red] {error}")
        except LaunchError as error:
            self._console.print(f"[bold red]Could not start.[/bold red] {error}")
            self._print_log(error.culprit or self._supervisor.worst())
        except DemoFailedError as error:
            self._console.print(f"[bold red]The demo study brought no result.[/bold red] {error}")
            self._print_log("worker")
        return 1

    def _run(self, began: float) -> int:
        self._step("Starting the queue and the inference worker")
        self._start_engine_room()
        self._step("Preparing the database and the model package")
        launcher_seed.schema_prepare()
        serving = launcher_seed.package_put_in_service()
        access = launcher_seed.demo_access_prepare(access_file=self._options.data_dir / "demo-access.json")
        self._step("Starting the web server, the ledger and the dispatcher")
        self._start_platform()
        self._wait_until_ready()
        self._console.print(f"Ready after {time.monotonic() - began:.0f} s, serving [bold]{serving}[/bold].")
        with self._client(access.token) as client:
            if not self._options.without_study:
                self._show_demo(client)
        if self._options.demo_only:
            self._console.print("To see it in the browser: make run")
            return 0
        self._print_access(access)
        self._console.print("Everything is up. Ctrl-C stops every process.")
        while True:
            self._pause(0.5)

    # ── processes ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start_engine_room(self) -> None:
        """What needs no database: the broker and the worker. Their start-up overlaps with the migrations."""
        options = self._options
        self._broker_url = options.broker_url
        if not options.broker_url:
            listening = socket_path(data_dir=options.data_dir)
            self._broker_url = redis_broker_url(socket_file=listening)
            self._start(
                "redis",
                redis_command(executable=redis_executable(), socket_file=listening, data_dir=options.data_dir),
                stops_last=True,
            )
        threads = os.environ.get("WORKER_THREADS", "4")
        worker = ("-A", "inference_worker.celery_app", "worker", "--pool", "threads", "--concurrency", threads)
        self._start(
            "worker",
            _python("celery", *worker, "-Q", "stat,routine,backfill,maintenance", "--loglevel", "INFO", *QUIET),
            WORKER_THREADS=threads,
        )

    def _start_platform(self) -> None:
        """What reads and writes the database."""
        ledger = ("-A", "config.celery_app", "worker", "-Q", "ledger", "--pool", "solo", "--loglevel", "INFO")
        self._start("ledger", _python("celery", *ledger, "--hostname", "ledger@%h", *QUIET))
        manage = (sys.executable, str(REPOSITORY_ROOT / "platform" / "manage.py"))
        self._start("dispatcher", (*manage, "run_dispatcher"))
        self._start("batches", (*manage, "run_batches"))
        self._start("webhooks", (*manage, "run_webhooks"))
        web = ("--worker-class", "gthread", "--workers", os.environ.get("WEB_PROCESSES", "2"), "--threads", "8", "--preload")
        bind = (
            "--bind",
            f"{LOOPBACK}:{self._options.port}",
            "--graceful-timeout",
            "5",
            "--timeout",
            "120",
            "--no-control-socket",
        )
        self._start("web", _python("gunicorn", "config.wsgi:application", *web, *bind))

    def _start(self, name: str, command: tuple[str, ...], *, stops_last: bool = False, **extra: str) -> None:
        environment = child_environment(data_dir=self._options.data_dir, broker_url=self._broker_url, given=os.environ)
        self._supervisor.start(
            ChildSpec(
                name=name,
                command=command,
                environment={**environment, **extra},
                working_dir=REPOSITORY_ROOT,
                stops_last=stops_last,
            )
        )

    def _stop(self) -> None:
        self._console.print("Stopping …")
        with _signals_ignored():  # a second Ctrl-C must not leave half of them behind
            self._supervisor.stop_all()
        self._console.print("Every process has stopped.")

    def _pause(self, seconds: float) -> None:
        self._supervisor.tick()
        time.sleep(seconds)

    # ── waiting and showing ───────────────────────────────────────────────────────────────────────────────────────────

    def _wait_until_ready(self) -> None:
        """Until /readyz says so. Raises LaunchError naming the part that is missing and the process to blame."""
        deadline = time.monotonic() + READY_LIMIT_SECONDS
        missing: dict[str, str] = {"web": "not answering yet"}
        with self._client(token=None) as client, self._status() as say:
            while True:
                say("Waiting for " + ", ".join(missing))
                try:
                    answer = client.get("/readyz", timeout=5)
                    if answer.status_code == 200:
                        return
                    missing = not_ready(answer)
                except httpx.TransportError:
                    missing = {"web": "not answering yet"}
                worst = self._supervisor.worst()
                if worst is not None and self._supervisor.crashes(worst) >= CRASHES_BEFORE_GIVING_UP:
                    raise LaunchError(f"The {worst} process keeps stopping.", culprit=worst)
                if time.monotonic() > deadline:
                    part = next(iter(missing))
                    words = "; ".join(f"{name}: {detail}" for name, detail in missing.items())
                    raise LaunchError(f"Not ready after {READY_LIMIT_SECONDS:.0f} s. {words}", culprit=GUILTY.get(part, part))
                self._pause(0.2)

    def _show_demo(self, client: httpx.Client) -> None:
        """A new demo study when asked for or when there is none yet; else the one that is there."""
        job = None if self._options.demo_only else launcher_demo.latest_job(client)
        if job is None:
            self._step("Making a synthetic four-view study with a drawn mass, and submitting it over the API")
            began = time.monotonic()
            job_id = launcher_demo.study_submit(client, files=launcher_demo.phantom_files())
        else:
            began, job_id = None, job["id"]
        with self._status() as say:
            for job in launcher_demo.job_follow(client, job_id=job_id, limit_seconds=RESULT_LIMIT_SECONDS, pause=self._pause):
                say(f"Study {launcher_demo.EXTERNAL_ID}: {launcher_demo.job_in_words(job)}")
        assert job is not None  # job_follow yields at least once
        result = launcher_demo.result_fetch(client, job=job)
        after = "from an earlier start" if began is None else f"{time.monotonic() - began:.1f} s after it was made"
        self._console.print(f"Result of the synthetic study, {after}:\n")
        launcher_demo.result_print(self._console, result)
        self._console.print()
        if not self._options.demo_only:
            self._console.print(f"{'Result:':<12} {self._url}/jobs/{job_id}", soft_wrap=True)

    def _print_access(self, access: launcher_seed.DemoAccess) -> None:
        for name, value in (
            ("Web", f"{self._url}/"),
            ("Login", f"{access.username}  /  {access.password}"),
            ("Token", access.token),
            ("API", f"{self._url}/api/v1/docs"),
            ("Logs", str(self._supervisor.log_path("web").parent)),
        ):
            self._console.print(f"{name + ':':<12} {value}", markup=False, highlight=False, soft_wrap=True)

    def _print_log(self, name: str | None) -> None:
        if name is None:
            return
        tail = self._supervisor.log_tail(name)
        self._console.rule(f"last lines of {self._supervisor.log_path(name)}")
        self._console.print(tail or "(empty)", markup=False, highlight=False, soft_wrap=True)

    def _step(self, words: str) -> None:
        self._console.print(f"[bold]·[/bold] {words}")

    def _warn(self, words: str) -> None:
        self._console.print(f"[yellow]![/yellow] {words}")

    @contextmanager
    def _status(self) -> Iterator[Callable[[str], None]]:
        """One line that changes on a terminal; where there is none (a log), a line for each change."""
        last = ""

        def print_change(words: str) -> None:
            nonlocal last
            if words != last:
                self._console.print(f"  {words}")
            last = words

        if not self._console.is_terminal:
            yield print_change
            return
        with self._console.status("") as status:
            yield status.update

    def _client(self, token: str | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # Never through a proxy: it is this machine.
        return httpx.Client(base_url=f"http://{LOOPBACK}:{self._options.port}", headers=headers, timeout=20, trust_env=False)


def not_ready(answer: httpx.Response) -> dict[str, str]:
    """The parts that /readyz says are not ready, with their detail; {"web": …} when it does not even say that."""
    try:
        parts = answer.json().get("parts", {})
        missing = {str(name): str(part.get("detail", "")) for name, part in parts.items() if not part.get("ready")}
    except (ValueError, AttributeError):
        missing = {}
    return missing or {"web": f"answered {answer.status_code}"}


@contextmanager
def data_dir_locked(data_dir: Path) -> Iterator[None]:
    """Hold the folder for this launcher alone. Raises EmbeddedServiceError when another one holds it."""
    folder = data_dir / "run"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "launcher.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedServiceError(
                f"MammoServe is already running on {data_dir}. Stop it, or choose another folder: make run DATA_DIR=…"
            ) from None
        yield


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal all become Stopped."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(signal.Signals(number).name)

    with _handlers(stop):
        yield


@contextmanager
def _signals_ignored() -> Iterator[None]:
    with _handlers(signal.SIG_IGN):
        yield


@contextmanager
def _handlers(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
