"""Request bodies arrive at a pace, or the request ends: a few clients that send almost nothing must not hold every thread.

A WSGI wrapper, because the body is read in many places: forms, JSON, uploads. It needs the connection's socket, which gunicorn
puts into the environment; under another server bodies pass unwatched. Headers are out of its reach: that is what a proxy in
front is for, which also gathers small bodies before it bothers us (platform/transfers/README.md).
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.conf import settings

from common.problems import Problem
from inference_worker.contract.failures import CodedError

#: What one read waits for at most; also how exactly the pace is measured.
PIECE_BYTES = 64 * 1024
#: Smaller bodies are over soon, at whatever pace is allowed, and need no place among the streams.
STREAM_FROM_BYTES = 256 * 1024
_LOOK_EVERY_SECONDS = 0.25
RETRY_AFTER_SECONDS = 3


class TooSlow(TimeoutError):
    """The body arrived more slowly than BODY_MIN_BYTES_PER_SECOND. An OSError: Django words it as a body that cannot be read."""


class PacedBody:
    """`wsgi.input` with a deadline for each piece. A body that ends before its Content-Length raises ConnectionResetError, so
    that half a file never passes for a whole one."""

    def __init__(self, body: Any, connection: Any, length: int | None, places: threading.Semaphore) -> None:
        self._body = body
        self._connection = connection
        self._left = length
        self._places = places
        self._has_place = False
        self._needs_place = length is None or length >= STREAM_FROM_BYTES
        self.is_late = False

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end of the body. Raises TooSlow, ConnectionResetError, or the Problem that too many
        others are sending."""
        pieces = []
        while size != 0 and (piece := self.read1(size)):
            pieces.append(piece)
            size -= len(piece) if size > 0 else 0
        return b"".join(pieces)

    def read1(self, size: int = -1) -> bytes:
        """At most one piece: what arrived before a failure is handed over, and the next call raises."""
        wanted = PIECE_BYTES if size < 0 else min(size, PIECE_BYTES)
        return self._read(lambda: self._body.read(wanted)) if wanted else b""

    def readline(self, size: int = -1) -> bytes:
        return self._read(lambda: self._body.readline(PIECE_BYTES if size < 0 else min(size, PIECE_BYTES)))

    def __iter__(self) -> PacedBody:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def release(self) -> None:
        """The place among the streams goes back. Safe to call again."""
        if self._has_place:
            self._has_place = False
            self._places.release()

    def expire(self) -> None:
        """Called by the watch: wakes the thread that waits for the client, which can still be answered."""
        self.is_late = True
        try:
            self._connection.shutdown(socket.SHUT_RD)
        except OSError:
            return  # the client has gone: then nobody waits for it

    def _read(self, get: Callable[[], bytes]) -> bytes:
        if self._left == 0:
            return b""
        self._take_place()
        if self.is_late:
            raise TooSlow
        try:
            with _WATCH.watched(self):
                data = get()
        except OSError as error:
            raise (TooSlow() if self.is_late else error) from None
        if self._left is not None:
            self._left -= len(data)
            if not data:
                raise TooSlow if self.is_late else ConnectionResetError
        if not data or self._left == 0:
            self.release()
        return data

    def _take_place(self) -> None:
        if self._needs_place and not self._has_place:
            if not self._places.acquire(blocking=False):
                problem = Problem.for_coded_error(CodedError("input:too_many_uploads"))
                problem.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
                raise problem
            self._has_place = True
            self._needs_place = False


class _Watch:
    """One thread for all bodies of the process, started by the first of them: never before a fork."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._deadlines: dict[PacedBody, float] = {}
        self._is_running = False

    @contextlib.contextmanager
    def watched(self, body: PacedBody) -> Iterator[None]:
        """While the block runs, the body has until its deadline."""
        self._arm(body)
        try:
            yield
        finally:
            with self._condition:
                self._deadlines.pop(body, None)

    def _arm(self, body: PacedBody) -> None:
        allowed = settings.BODY_GRACE_SECONDS + PIECE_BYTES / settings.BODY_MIN_BYTES_PER_SECOND
        with self._condition:
            self._deadlines[body] = time.monotonic() + allowed
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="slow-bodies", daemon=True).start()
            if len(self._deadlines) == 1:
                self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._deadlines:
                    self._condition.wait()
                now = time.monotonic()
                late = [body for body, deadline in self._deadlines.items() if deadline < now]
                for body in late:
                    del self._deadlines[body]
            for body in late:
                body.expire()
            time.sleep(_LOOK_EVERY_SECONDS)


_WATCH = _Watch()


class BodyPace:
    """The WSGI application with its bodies watched, by the settings BODY_*."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._places = threading.BoundedSemaphore(settings.BODY_MAX_STREAMS_PER_PROCESS)

    def __call__(self, environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        connection = environment.get("gunicorn.socket")
        if connection is None:
            return self._application(environment, start_response)
        given = environment.get("CONTENT_LENGTH") or ""
        length = int(given) if given.isdecimal() else None
        body = PacedBody(environment["wsgi.input"], connection, length, self._places)
        environment["wsgi.input"] = body
        try:
            return self._application(environment, start_response)
        finally:
            body.release()
