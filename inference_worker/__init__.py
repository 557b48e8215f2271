"""Runs one inference order at a time through the pipeline. No Django, no database, no patient identity."""
