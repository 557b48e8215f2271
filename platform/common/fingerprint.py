"""Whether two requests say the same: one digest over address, fields and files, whatever they were wrapped in.

A multipart boundary, the order of different fields and JSON's white space change nothing; the order of one field's values does.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request


def request_fingerprint(request: Request) -> str:
    """sha256, as hex, of the address with its query and of the body. Reads the body, under the caps of the view's own parser;
    files stay on disk. Raises what the parser raises."""
    digest = hashlib.sha256()
    for part in (request.method or "", request.get_full_path(), *_body(request)):
        digest.update(hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()


def _body(request: Request) -> list[str]:
    try:
        data = request.data
    except UnsupportedMediaType:
        return ["raw", hashlib.sha256(request._request.body).hexdigest()]  # a view that reads no body takes any
    if request.content_type.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        fields = sorted((name, request.POST.getlist(name)) for name in request.POST)
        files = sorted((name, [(file.name, file_sha256(file)) for file in request.FILES.getlist(name)]) for name in request.FILES)
        return ["form", _canonical(fields), _canonical(files)]
    if isinstance(data, bytes):
        return ["bytes", hashlib.sha256(data).hexdigest()]
    return ["json", _canonical(data)]


def file_sha256(file: UploadedFile) -> str:
    """As hex. Taken while the file came in (common.uploads), else read from where it lies, which leaves it at its beginning."""
    known: str | None = getattr(file, "content_sha256", None)
    if known is not None:
        return known
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
