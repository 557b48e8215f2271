"""Readers of published image collections, each with its traps handled. Offline only; nothing here is imported by a serving process."""
