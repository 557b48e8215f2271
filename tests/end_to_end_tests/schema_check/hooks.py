"""What Schemathesis has to be told about this API, loaded by it through SCHEMATHESIS_HOOKS. SCHEMA_CHECK_GROUND names a file with
what the ground keeps, and the folder of real images."""

from __future__ import annotations

import json
import os
import re
import uuid
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st

_GROUND = json.loads(Path(os.environ["SCHEMA_CHECK_GROUND"]).read_text())
_KEPT: dict[str, set[str]] = {name: set(values) for name, values in _GROUND["kept"].items()}
_IMAGES = [Path(path).read_bytes() for path in _GROUND["files"]]
_KEY = re.compile(r"[ -~]*[!-~][ -~]*")
_PIECE = "application/offset+octet-stream"

_files = st.one_of(st.binary(max_size=2000), st.sampled_from(_IMAGES))
schemathesis.openapi.format("binary", _files)
schemathesis.openapi.media_type(_PIECE, _files)


@schemathesis.serializer(_PIECE)
def piece_serialize(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Bytes as they are; what was generated to break the schema is sent as its text."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.deserializer("application/x-ndjson")
def lines_deserialize(context: schemathesis.DeserializationContext, response: schemathesis.Response) -> Any:
    """The document describes one line: all are read, and the first one is held against it. Raises ValueError."""
    lines = [json.loads(line) for line in response.content.decode().splitlines()]
    return lines[0] if lines else None


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Any, case: schemathesis.Case, response: schemathesis.Response
) -> bool:
    """Leave out two that are none: no line to hold against the description of one, and an empty filter, which the document
    allows (allowEmptyValue) and Schemathesis takes for a value."""
    is_lines = response.headers.get("content-type", [""])[0].startswith("application/x-ndjson")
    if is_lines and not response.content:
        return False
    return not (type(failure).__name__ == "AcceptedNegativeData" and any(value == "" for value in (case.query or {}).values()))


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Leave out what would take away the ground: the check's own people, tokens and what was there before it."""
    given = case.path_parameters or {}
    return not any(str(value) in _KEPT.get(name, ()) for name, value in given.items())


@schemathesis.hook
def map_headers(context: schemathesis.HookContext, headers: dict[str, Any]) -> dict[str, Any]:
    """A key is for one request: one that was made up twice would only show the refusal of the second."""
    if headers and _KEY.fullmatch(str(headers.get("Idempotency-Key", ""))):
        headers["Idempotency-Key"] = str(uuid.uuid4())
    return headers
