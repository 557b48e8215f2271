"""Runs one inference order at a time through the pipeline. No Django, no database, no patient identity."""

__version__ = "0.1.0"
