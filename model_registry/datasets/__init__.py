"""Readers of published image collections, each with its traps handled. Offline only; no serving process imports it."""
