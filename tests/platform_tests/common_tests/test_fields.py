"""What a request says is taken as the type that the OpenAPI document names, and as no other that could be made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.test import APIClient

from accounts.models import Site, User
from common import fields

_LENIENT = (
    serializers.BooleanField,
    serializers.CharField,
    serializers.FloatField,
    serializers.IntegerField,
    serializers.MultipleChoiceField,
    serializers.UUIDField,
)
_UUID = "3f1d0f0e-6f55-4c8b-9a5e-2f2f5b3c1a10"


@pytest.mark.parametrize(
    ("field", "taken", "refused"),
    [
        (fields.StrictCharField(), ["0", "left breast"], [0, 1.5, True, ["0"], {}]),
        (fields.StrictRegexField(r"^\d+$"), ["0"], [0, "x", True]),
        (fields.StrictSlugField(), ["7"], [7, "a b", False]),
        (fields.StrictUUIDField(), [_UUID], [7, True, "7", [_UUID]]),
        (fields.StrictBooleanField(), [True, False], [0, 1, "true", "off"]),
        (fields.StrictIntegerField(), [5, 5.0], ["5", True, 5.5, float("nan")]),
        (fields.StrictFloatField(), [1, 0.5], ["0.5", True, [1]]),
    ],
)
def test_only_the_named_type_is_taken(field: serializers.Field, taken: list[Any], refused: list[Any]) -> None:
    for value in taken:
        assert field.run_validation(value) in (value, UUID(_UUID))
    for value in refused:
        with pytest.raises(serializers.ValidationError) as error:
            field.run_validation(value)
        assert error.value.get_codes() == ["invalid"]


def _requests() -> Iterator[serializers.BaseSerializer]:
    """The shape of every body that an operation of the document takes."""
    generator = SchemaGenerator()
    generator._initialise_endpoints()
    for path, _, method, callback in generator.endpoints or ():  # type: ignore[misc]  # four; the stubs say three
        if method in ("POST", "PUT", "PATCH", "DELETE"):
            view = generator.create_view(callback, method)
            view.schema.view, view.schema.path, view.schema.method = view, path, method
            asked = view.schema.get_request_serializer()
            for shape in asked.values() if isinstance(asked, dict) else [asked]:
                if isinstance(shape, type) and issubclass(shape, serializers.BaseSerializer):
                    yield shape()


def _lenient(field: serializers.Field, place: str) -> Iterator[str]:
    if isinstance(field, serializers.Serializer):
        for name, inner in field.fields.items():
            if not inner.read_only:
                yield from _lenient(inner, f"{place}.{name}")
    elif (child := getattr(field, "child", None)) is not None:
        yield from _lenient(child, f"{place}[]")
    elif isinstance(field, _LENIENT) and not isinstance(field, fields._Strict):
        yield place


def test_every_field_of_every_request_is_strict() -> None:
    shapes = list(_requests())
    assert {"SiteChangeSerializer", "SavedViewSerializer", "ManifestSerializer"} <= {type(shape).__name__ for shape in shapes}
    assert [place for shape in shapes for place in _lenient(shape, type(shape).__name__)] == []


@pytest.mark.django_db
def test_a_number_is_no_name(site: Site, administrator: User, client_of) -> None:
    User.objects.filter(pk=administrator.pk).update(is_superuser=True)
    administrator.refresh_from_db()
    api: APIClient = client_of(administrator)
    name = site.name
    for wrong in ({"name": 0}, {"share_weight": "5"}, {"max_queued_jobs": "7"}, {"max_storage_bytes": True}):
        answer = api.patch(f"/api/v1/sites/{site.slug}", wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, next(iter(wrong)))
    site.refresh_from_db()
    assert (site.name, site.share_weight, site.max_queued_jobs) == (name, 1, None)
