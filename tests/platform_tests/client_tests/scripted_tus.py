"""A tus server that stumbles as told: connections that break in mid-piece, answers that say “not now”, damaged pieces.

The real platform's uploads are proven in the transfers tests and end to end; this one fails on demand, which that one must not.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Script:
    """What happens to the next PATCHes, in order: "break" (half arrives), "busy" (503), "damage" (460); then all goes well."""

    happenings: list[str] = field(default_factory=list)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""


def _metadata(header: str) -> dict[str, str]:
    pairs = (pair.split(" ", 1) for pair in header.split(",") if pair)
    return {name: base64.b64decode(value).decode() for name, value in pairs}


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, **headers: object) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            script.requests.append("POST")
            number = f"u{len(script.uploads) + 1}"
            script.uploads[number] = bytearray()
            script.lengths[number] = int(self.headers["Upload-Length"])
            script.metadata[number] = _metadata(self.headers["Upload-Metadata"])
            self.answer(201, Location=f"{self.path}/{number}", Upload_Offset=0)

        def do_HEAD(self) -> None:
            script.requests.append("HEAD")
            number = self.path.rsplit("/", 1)[-1]
            if number not in script.uploads:
                self.answer(404)
            else:
                self.answer(200, Upload_Offset=len(script.uploads[number]), Upload_Length=script.lengths[number])

        def do_PATCH(self) -> None:
            script.requests.append("PATCH")
            number = self.path.rsplit("/", 1)[-1]
            length, happening = int(self.headers["Content-Length"]), script.happenings.pop(0) if script.happenings else ""
            if happening == "break":
                script.uploads[number] += self.rfile.read(length // 2)
                self.close_connection = True
                self.connection.close()
                return
            piece = self.rfile.read(length)
            if happening == "busy":
                self.answer(503, Retry_After=0)
            elif happening == "damage":
                self.answer(460)
            elif int(self.headers["Upload-Offset"]) != len(script.uploads[number]):
                self.answer(409)
            else:
                sent = self.headers["Upload-Checksum"].removeprefix("sha256 ")
                assert base64.b64encode(hashlib.sha256(piece).digest()).decode() == sent
                script.uploads[number] += piece
                self.answer(204, Upload_Offset=len(script.uploads[number]))

        def log_message(self, *details: object) -> None:
            pass

    return Handler


@contextmanager
def scripted_tus(*happenings: str) -> Iterator[Script]:
    script = Script(happenings=list(happenings))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
