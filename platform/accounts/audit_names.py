"""What people call the objects of the audit history, found when it is read: its rows never change, and names may.

This room knows people, tokens and sites; rooms above register what they know when they start (`names_register`). Any number
of entries costs one query for each kind of object among them. What is gone, or has no name, keeps its key alone.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from accounts.models import ApiToken, AuditEntry, Site, User

#: Keys as they stand in entries → names, of those that are known.
Finder = Callable[[frozenset[str]], Mapping[str, str]]

#: Kind of the subject: of an action, else of its area.
_SUBJECTS = {
    "user": "user",
    "token": "token",
    "webhook": "webhook",
    "package": "package",
    "package.build": "upload",
    "package.refused": "upload",
    "job": "job",
    "job.rerun": "package",
    "job.export": "site",
    "batch": "batch",
    "quarantine": "batch_item",
}
#: Kind of what a fact of the detail names.
_DETAILS = {
    "user": "user",
    "from": "package",
    "to": "package",
    "package": "package",
    "candidate": "package",
    "batch": "batch",
    "replay": "job",
}
_NUMBER = re.compile(r"[0-9]{1,18}")
_finders: dict[str, Finder] = {}


def names_register(kind: str, find: Finder) -> None:
    """Whom to ask for the names of a kind of object. `find` must bear keys that are none of its own."""
    _finders[kind] = find


def keys_as_uuids(keys: Iterable[str]) -> list[uuid.UUID]:
    """Those that are UUIDs."""
    found = []
    for key in keys:
        try:
            found.append(uuid.UUID(key))
        except ValueError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class EntryNames:
    """`subject` empty: no name is known. `detail`: names by fact."""

    subject: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


def names_of(entries: Sequence[AuditEntry]) -> list[EntryNames]:
    """The names in each entry, in their order."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        for kind, key in (_subject(entry), *_facts(entry).values()):
            wanted[kind].add(key)
    known = {kind: _finders[kind](frozenset(keys)) for kind, keys in wanted.items() if kind in _finders}

    def name(asked: tuple[str, str]) -> str:
        kind, key = asked
        return known.get(kind, {}).get(key, "")

    return [
        EntryNames(
            subject=name(_subject(entry)),
            detail={fact: found for fact, asked in _facts(entry).items() if (found := name(asked))},
        )
        for entry in entries
    ]


def _subject(entry: AuditEntry) -> tuple[str, str]:
    """(kind, key)."""
    area = entry.action.partition(".")[0]
    return _SUBJECTS.get(entry.action) or _SUBJECTS.get(area, ""), entry.subject


def _facts(entry: AuditEntry) -> dict[str, tuple[str, str]]:
    detail = entry.detail if isinstance(entry.detail, dict) else {}
    return {
        fact: (kind, str(detail[fact]))
        for fact, kind in _DETAILS.items()
        if isinstance(detail.get(fact), (str, int)) and not isinstance(detail[fact], bool)
    }


def _people(keys: frozenset[str]) -> dict[str, str]:
    numbers = [int(key) for key in keys if _NUMBER.fullmatch(key)]
    return {str(pk): name for pk, name in User.objects.filter(pk__in=numbers).values_list("pk", "username")}


def _tokens(keys: frozenset[str]) -> dict[str, str]:
    return dict(ApiToken.objects.filter(prefix__in=keys).values_list("prefix", "name"))


def _sites(keys: frozenset[str]) -> dict[str, str]:
    return {str(pk): slug for pk, slug in Site.objects.filter(pk__in=keys_as_uuids(keys)).values_list("pk", "slug")}


names_register("user", _people)
names_register("token", _tokens)
names_register("site", _sites)
