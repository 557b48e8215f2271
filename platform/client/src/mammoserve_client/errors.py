"""What can go wrong, as types. Match on `code`, never on words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class MammoServeError(Exception):
    """Base of everything this package raises on purpose."""


class Unreachable(MammoServeError):
    """The server did not answer, however often it was asked. Nothing is lost: the same call may be made again."""


class UploadFailed(MammoServeError):
    """A file's bytes did not arrive as they are on this disk: it changed meanwhile, or something damages it on the way."""


class SubmissionMismatch(MammoServeError):
    """A journal belongs to another submission, or another process is working with it."""


class WaitedTooLong(MammoServeError):
    """Something had not ended within the caller's own limit. It goes on at the server."""


class Incomplete(MammoServeError):
    """An answer ended early or holds something other than was asked for. Ask again."""


@dataclass(eq=False)
class ApiProblem(MammoServeError):
    """The server refused: an RFC 9457 problem document. `code` is stable, `action` says what to do."""

    status: int
    code: str
    title: str
    detail: str = ""
    action: str = ""
    errors: tuple[dict[str, Any], ...] = ()
    retry_after_seconds: float | None = None
    document: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        words = f"{self.code}: {self.detail or self.title}"
        first = "; ".join(f"{one.get('field', '?')}: {one.get('message', one.get('code', ''))}" for one in self.errors[:3])
        more = f" and {len(self.errors) - 3} more" if len(self.errors) > 3 else ""
        return words + (f" ({first}{more})" if first else "") + (f" {self.action}" if self.action else "")
