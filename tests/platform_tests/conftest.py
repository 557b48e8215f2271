"""Fixtures of the platform's tests: sites, people of every role, clients, an object store of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rest_framework.test import APIClient

from accounts.models import Role, Site, User
from accounts.services import site_create, token_issue, user_create
from common.object_store import ObjectStore, object_store

PASSWORD = "a long pass phrase for tests"


@pytest.fixture
def store(settings, tmp_path: Path) -> ObjectStore:
    """An empty object store in the test's own folder."""
    settings.OBJECT_STORE_URL = f"file://{tmp_path / 'objects'}"
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "incoming")
    return object_store()


@pytest.fixture
def site(db) -> Site:
    return site_create(slug="north", name="Northern Hospital")


@pytest.fixture
def other_site(db) -> Site:
    return site_create(slug="south", name="Southern Hospital")


@pytest.fixture
def reader(site: Site) -> User:
    return user_create(site=site, username="reader", password=PASSWORD, role=Role.READER)


@pytest.fixture
def submitter(site: Site) -> User:
    return user_create(site=site, username="submitter", password=PASSWORD, role=Role.SUBMITTER)


@pytest.fixture
def administrator(site: Site) -> User:
    return user_create(site=site, username="administrator", password=PASSWORD, role=Role.ADMINISTRATOR)


@pytest.fixture
def other_submitter(other_site: Site) -> User:
    return user_create(site=other_site, username="stranger", password=PASSWORD, role=Role.SUBMITTER)


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """An API client that sends a token of the given user."""

    def make(user: User) -> APIClient:
        _, plain = token_issue(user=user, name="tests")
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
        return client

    return make


@pytest.fixture
def api(submitter: User, client_of: Callable[[User], APIClient]) -> APIClient:
    """A client of the submitter of `site`."""
    return client_of(submitter)


@pytest.fixture
def other_api(other_submitter: User, client_of: Callable[[User], APIClient]) -> APIClient:
    """A client of the submitter of `other_site`."""
    return client_of(other_submitter)
