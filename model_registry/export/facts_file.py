"""Reads a FACTS.yaml within bounds. What stands in one is said in building.facts, which checks it."""

from __future__ import annotations

from pathlib import Path

import yaml

from model_registry.building.errors import FactsInvalid
from model_registry.building.facts import Facts, facts_from

FACTS_BYTES_MAXIMUM = 1 << 20


def facts_read(path: Path) -> Facts:
    """Read a FACTS.yaml. Raises FactsInvalid naming every field that is wrong."""
    try:
        with path.open("rb") as stream:
            data = stream.read(FACTS_BYTES_MAXIMUM + 1)
        if len(data) > FACTS_BYTES_MAXIMUM:
            raise FactsInvalid(f"{path.name} is larger than {FACTS_BYTES_MAXIMUM} bytes")
        if b"*" in data and any(isinstance(token, yaml.AliasToken) for token in yaml.scan(data)):
            raise FactsInvalid(f"{path.name} uses YAML aliases, which can grow without bound; write the values out")
        return facts_from(yaml.safe_load(data), source=path.name)
    except OSError as error:
        raise FactsInvalid(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FactsInvalid(f"{path.name} is not YAML: {str(error)[:300]}") from error
