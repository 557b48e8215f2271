"""Rows that are written once: history an auditor accepts. Knows no particular history."""

from __future__ import annotations

from typing import Any

from django.db import models


class AppendOnly(TypeError):
    """Someone tried to change or delete history."""


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """Creates and reads; every way of changing rows together raises AppendOnly."""

    def update(self, **kwargs: Any) -> int:
        raise AppendOnly(f"{self.model._meta.verbose_name} is never changed")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly(f"{self.model._meta.verbose_name} is never deleted")

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        raise AppendOnly(f"{self.model._meta.verbose_name} is never changed")


class AppendOnlyModel(models.Model):
    """Base of a history's rows. Saving a second time, or deleting, raises AppendOnly."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnly(f"{self._meta.verbose_name} is never changed")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly(f"{self._meta.verbose_name} is never deleted")
