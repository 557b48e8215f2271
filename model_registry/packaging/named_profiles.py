"""The preprocessing profiles that have a name: one JSON file each in `profiles/`, read into the same type a package carries.

A package holds a copy of its profile and never looks here, so a file changed here changes no result that was given. The room's
README says what each profile reproduces, and what its source did not say. Not for carrying a profile out: see `prepare`.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import ValidationError

from model_registry.packaging.profile import PreprocessingProfile

FOLDER = Path(__file__).with_name("profiles")
PROFILE_BYTES_MAXIMUM = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class ProfileError(Exception):
    """A profile that cannot be used. `code` is "profile:unknown", "profile:unreadable" or "profile:invalid"."""

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}")


def profile_names() -> tuple[str, ...]:
    """The names `profile_named` knows, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def profile_named(name: str) -> PreprocessingProfile:
    """One of the room's own profiles. Raises ProfileError, naming the ones there are."""
    # matched first, so that a name can never be a path
    if not _NAME.fullmatch(name) or name not in profile_names():
        raise ProfileError("profile:unknown", f"no profile {name[:64]!r}; there are {', '.join(profile_names())}")
    return _profile_from(FOLDER / f"{name}.json")


def profile_read(path_or_name: Path | str) -> PreprocessingProfile:
    """A profile by name, or from a JSON file: anything that ends in .json or is a Path. Raises ProfileError."""
    if isinstance(path_or_name, Path) or path_or_name.endswith(".json"):
        return _profile_from(Path(path_or_name))
    return profile_named(path_or_name)


def _profile_from(path: Path) -> PreprocessingProfile:
    try:
        with path.open("rb") as stream:
            data = stream.read(PROFILE_BYTES_MAXIMUM + 1)
    except OSError as error:
        raise ProfileError("profile:unreadable", f"{path.name}: {error.strerror or type(error).__name__}") from error
    if len(data) > PROFILE_BYTES_MAXIMUM:
        raise ProfileError("profile:invalid", f"{path.name} is larger than {PROFILE_BYTES_MAXIMUM} bytes")
    try:
        return PreprocessingProfile.model_validate_json(data)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'profile'}: {e['msg']}" for e in error.errors()[:10])
        raise ProfileError("profile:invalid", f"{path.name}: {problems}") from error
