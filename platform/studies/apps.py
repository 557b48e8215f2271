"""Keeps the libraries that read files from talking about what they read."""

from __future__ import annotations

import warnings

from django.apps import AppConfig


class StudiesConfig(AppConfig):
    name = "studies"

    def ready(self) -> None:
        from pydicom import config as pydicom_config

        # Tolerant on reading: our own rules decide. Warnings would carry values of the file into the logs.
        pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
        warnings.filterwarnings("ignore", module=r"pydicom\..*")
