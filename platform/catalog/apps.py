"""Tells the audit history what packages and uploads are called."""

from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "catalog"

    def ready(self) -> None:
        from accounts.audit_names import names_register

        names_register("package", _packages)
        names_register("upload", _uploads)


def _packages(keys: frozenset[str]) -> dict[str, str]:
    from catalog.models import ModelPackage

    rows = ModelPackage.objects.filter(pk__in=keys).values_list("pk", "name", "version")
    return {digest: f"{name} {version}" for digest, name, version in rows}


def _uploads(keys: frozenset[str]) -> dict[str, str]:
    from accounts.audit_names import keys_as_uuids
    from catalog.models import PackageUpload

    rows = PackageUpload.objects.filter(pk__in=keys_as_uuids(keys)).values_list("pk", "form")
    return {str(pk): str(form["name"])[:100] for pk, form in rows if form.get("name")}
