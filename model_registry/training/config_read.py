"""From CONFIG.yaml to a TrainingConfig: `extends`, ${VARIABLES}, and errors that name the file, the line and what is allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from model_registry.training.config import TrainingConfig
from model_registry.training.errors import ConfigRefused

SHIPPED = Path(__file__).with_name("configs")
BYTES_MAXIMUM = 256 * 1024
NODES_MAXIMUM = 5000
EXTENDS_MAXIMUM = 8
BY_KIND = ("loss", "schedule")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Location = tuple[str | int, ...]


@dataclass(slots=True)
class _Read:
    """A mapping and where each of its entries was written: path of keys → (file, line)."""

    content: dict[str, Any]
    lines: dict[Location, tuple[str, int]] = field(default_factory=dict)


def config_names() -> tuple[str, ...]:
    """The configurations that ship, by name; those that start with an underscore are parts of others."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml") if not path.name.startswith("_")))


def config_path(given: str) -> Path:
    """A shipped configuration by name, or a file. Raises ConfigRefused."""
    if given in config_names():
        return SHIPPED / f"{given}.yaml"
    path = Path(given)
    if path.is_file():
        return path
    raise ConfigRefused(f"there is no file {given!r}, and no configuration of that name ships: {', '.join(config_names())}")


def config_read(
    path: Path, *, variables: Mapping[str, str] | None = None, changes: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Read, extend, put `variables` (then the environment's) in, lay `changes` over it, validate. Raises ConfigRefused."""
    read = _extended(path, ())
    content = _merge(read.content, changes or {})
    content = _filled(content, {**os.environ, **(variables or {})}, ())
    try:
        return TrainingConfig.model_validate(content)
    except ValidationError as problem:
        lines = [_worded(error, read) for error in problem.errors()[:12]]
        raise ConfigRefused("\n".join([f"{path.name} cannot be used:", *lines])) from problem


def _extended(path: Path, above: tuple[Path, ...]) -> _Read:
    path = path.resolve()
    if path in above or len(above) >= EXTENDS_MAXIMUM:
        raise ConfigRefused(f"{path.name}: `extends` goes in a circle, or deeper than {EXTENDS_MAXIMUM} files")
    own = _file_read(path)
    parent = own.content.pop("extends", None)
    if parent is None:
        return own
    if not isinstance(parent, str):
        raise ConfigRefused(f"{path.name}: `extends` names one file, without or with .yaml")
    base = _extended(path.parent / (parent if parent.endswith(".yaml") else f"{parent}.yaml"), (*above, path))
    return _Read(_merge(base.content, own.content), {**base.lines, **own.lines})


def _file_read(path: Path) -> _Read:
    try:
        with path.open("rb") as stream:
            data = stream.read(BYTES_MAXIMUM + 1)
    except OSError as error:
        raise ConfigRefused(f"{path.name} cannot be read: {error.strerror or type(error).__name__}") from error
    if len(data) > BYTES_MAXIMUM:
        raise ConfigRefused(f"{path.name} is larger than {BYTES_MAXIMUM // 1024} KiB")
    loader = yaml.SafeLoader(data.decode("utf-8", errors="replace"))
    lines: dict[Location, tuple[str, int]] = {}
    try:
        node = loader.get_single_node()
        if node is None:
            raise ConfigRefused(f"{path.name} is empty")
        _walk(node, (), path.name, lines, [0])
        content = loader.construct_document(node)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f"{path.name}:{mark.line + 1}" if mark else path.name
        raise ConfigRefused(f"{where}: {getattr(problem, 'problem', None) or 'not YAML'}") from problem
    except (RecursionError, ValueError) as problem:
        raise ConfigRefused(f"{path.name} is not a configuration: {problem}") from problem
    finally:
        loader.dispose()
    if not isinstance(content, dict):
        raise ConfigRefused(f"{path.name} must be a mapping of sections")
    return _Read(content, lines)


def _walk(node: yaml.Node, location: Location, name: str, lines: dict[Location, tuple[str, int]], count: list[int]) -> None:
    """Note every entry's line. Refuses a key written twice, and anchors that unfold without end."""
    count[0] += 1
    if count[0] > NODES_MAXIMUM:
        raise ConfigRefused(f"{name} unfolds to more than {NODES_MAXIMUM} entries")
    lines[location] = (name, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigRefused(f"{name}:{key.start_mark.line + 1}: a key must be a word")
            if key.value in seen and key.value != "<<":
                raise ConfigRefused(f"{name}:{key.start_mark.line + 1}: {key.value!r} is written twice")
            seen.add(key.value)
            inner = location if key.value == "<<" else (*location, key.value)
            _walk(value, inner, name, lines, count)
            lines[inner] = (name, key.start_mark.line + 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*location, index), name, lines, count)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged, everything else is replaced. A loss or schedule of another kind replaces the whole section."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        alike = not (isinstance(value, Mapping) and key in BY_KIND) or value.get("kind") == (old or {}).get("kind")
        if isinstance(old, Mapping) and isinstance(value, Mapping) and alike:
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


def _filled(content: Any, variables: Mapping[str, str], location: Location) -> Any:
    """`content` with ${NAME} replaced. Raises ConfigRefused for a name that is not set."""
    if isinstance(content, Mapping):
        return {key: _filled(value, variables, (*location, key)) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_filled(value, variables, (*location, index)) for index, value in enumerate(content)]
    if not isinstance(content, str):
        return content

    def value_of(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in variables:
            hint = {
                "DATA": " or give --data PATH",
                "WEIGHTS": " or give --weights FOLDER, or --weights none to train from scratch",
            }
            dotted = ".".join(map(str, location))
            raise ConfigRefused(f"{dotted} needs ${{{name}}}: set the variable {name} in the environment{hint.get(name, '')}")
        return variables[name]

    return _VARIABLE.sub(value_of, content)


def _worded(error: Any, read: _Read) -> str:
    """One pydantic error as "  file:line field: what is wrong"."""
    location = tuple(error["loc"])
    written = location
    while written and written not in read.lines:  # discriminators and defaults stand in no file
        written = written[:-1]
    name, line = read.lines.get(written, ("", 0))
    where = f"{name}:{line} " if line else ""
    dotted = ".".join(str(part) for part in location)
    words = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        words = f"there is no such field; here are {', '.join(_fields_at(location[:-1])) or 'none'}"
    return f"  {where}{dotted + ': ' if dotted else ''}{words}"


def _fields_at(location: Sequence[str | int]) -> tuple[str, ...]:
    """The fields that the section at `location` has."""
    models: list[type[BaseModel]] = [TrainingConfig]
    for part in location:
        inner: list[type[BaseModel]] = []
        for model in models:
            if part in model.model_fields:
                inner.extend(_models_in(model.model_fields[part].annotation))
            elif isinstance(part, int) or part in _tags(model):
                inner.append(model)
        models = inner or models
    named = [part for part in location if isinstance(part, str)]
    chosen = [model for model in models if named and named[-1] in _tags(model)] or models
    return tuple(sorted({name for model in chosen for name in model.model_fields}))


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    kind = model.model_fields.get("kind")
    return tuple(getattr(kind.annotation, "__args__", ())) if kind else (model.__name__,)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
