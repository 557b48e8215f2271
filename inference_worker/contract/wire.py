"""Dataclasses to JSON-safe dictionaries and back, strictly: the one codec of the contract. Knows no particular message."""

from __future__ import annotations

import dataclasses
import logging
import types
import typing
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from inference_worker.contract import CONTRACT_VERSION

logger = logging.getLogger(__name__)

Message = TypeVar("Message")

#: A message with a string longer than this is hostile or broken: orders are a few hundred bytes.
MAX_TEXT = 100_000


class ContractViolation(ValueError):
    """A message does not have the shape the contract promises. Says which field, never its value."""


def to_wire(message: Any) -> dict[str, Any]:
    """A dataclass instance as JSON types only (enums as values, tuples as lists)."""
    return {field.name: _plain(getattr(message, field.name)) for field in dataclasses.fields(message)}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_wire(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def from_wire(cls: type[Message], data: Mapping[str, Any]) -> Message:
    """Build `cls` from JSON types. Unknown fields are logged and ignored; missing, mistyped or newer ones are refused."""
    if not isinstance(data, Mapping):
        raise ContractViolation(f"{cls.__name__}: expected an object")
    version = data.get("contract_version", CONTRACT_VERSION)
    if not isinstance(version, int) or version > CONTRACT_VERSION:
        raise ContractViolation(f"{cls.__name__}: contract_version is newer than {CONTRACT_VERSION}")
    hints = typing.get_type_hints(cls)
    known: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in data:
            known[field.name] = _typed(data[field.name], hints[field.name], f"{cls.__name__}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ContractViolation(f"{cls.__name__}.{field.name} is missing")
    unknown = sorted(str(name)[:40] for name in set(data) - set(known))
    if unknown:
        logger.warning("contract: %s carries unknown fields %s", cls.__name__, unknown)
    return cls(**known)


def _typed(value: Any, hint: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        inner = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        return _typed(value, inner, where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ContractViolation(f"{where}: expected a list")
        item_hint = typing.get_args(hint)[0]
        return tuple(_typed(item, item_hint, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping):
            raise ContractViolation(f"{where}: expected an object")
        return dict(value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            raise ContractViolation(f"{where}: not one of {[member.value for member in hint]}") from None
    if dataclasses.is_dataclass(hint):
        return from_wire(typing.cast(type[Any], hint), value)
    if hint is int and (isinstance(value, bool) or not isinstance(value, int)):
        raise ContractViolation(f"{where}: expected a whole number")
    if hint is str and (not isinstance(value, str) or len(value) > MAX_TEXT):
        raise ContractViolation(f"{where}: expected a string")
    return value
