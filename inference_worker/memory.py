"""This process's memory: how much it holds, and giving back to the system what it no longer needs. Knows no models."""

from __future__ import annotations

import ctypes
import functools
import gc
from collections.abc import Callable

import psutil


def resident_memory_bytes() -> int:
    """This process's resident memory."""
    return int(psutil.Process().memory_info().rss)


def memory_return() -> None:
    """Hand freed memory back to the system: Python's garbage, then what the C library keeps, where it can be told to."""
    gc.collect()
    trim = _trim()
    if trim is not None:
        trim(0)


@functools.cache
def _trim() -> Callable[[int], int] | None:
    """glibc's malloc_trim; other C libraries have none and keep less."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return None
    return trim
