"""What a first start puts in place: schema, static files, the shipped model package, the demo site and its access.

Every step may be repeated: a second start finds what is there. Writes through the services of accounts and catalog only. The
demo's password is made up here and kept, with the token, in one file that its owner alone can read.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import transaction

from accounts.authentication import token_hash
from accounts.models import ApiToken, Role, Site, User
from accounts.services import site_create, token_issue, user_create
from catalog.check_orders import validation_request
from catalog.deployments import Because, activate
from catalog.models import Deployment
from catalog.packages import package_install
from common import clock
from config.embedded import REPOSITORY_ROOT, EmbeddedServiceError

DEMO = "demo"
DEFAULT_DEPLOYMENT = "default"
VALIDATED_AFTER = datetime.timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """How a person signs in and a machine calls. Secrets: printed on the owner's terminal, never logged."""

    username: str
    password: str
    token: str


def schema_prepare() -> None:
    """Bring the database's schema and the collected static files up to this version."""
    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


def shipped_package_folder() -> Path:
    """The package to install: SHIPPED_PACKAGE_DIR, else the newest of model_registry/packages. Raises EmbeddedServiceError."""
    given = os.environ.get("SHIPPED_PACKAGE_DIR", "").strip()
    if given:
        folder = Path(given)
        if not (folder / "manifest.json").is_file():
            raise EmbeddedServiceError(f"SHIPPED_PACKAGE_DIR: there is no manifest.json in {folder}")
        return folder
    folders = [path.parent for path in (REPOSITORY_ROOT / "model_registry" / "packages").glob("*/manifest.json")]
    if not folders:
        raise EmbeddedServiceError("No model package in model_registry/packages, and SHIPPED_PACKAGE_DIR is not set.")
    return max(folders, key=_version)


def package_put_in_service() -> str:
    """Install the shipped package and, where nothing serves yet, activate it. Returns what serves, in words.

    The one package that serves before its validation: it was proven when this version was made, no worker is up yet, and a worker
    still proves its golden inputs before its first job. Its validation here follows once a first study had the machine to itself.
    A deployment that an administrator moved elsewhere stays where it is.
    """
    package = package_install(folder=shipped_package_folder())
    if not package.validation_state:
        validation_request(package=package, requested_by=None, not_before=clock.now() + VALIDATED_AFTER)
    current = Deployment.objects.filter(name=DEFAULT_DEPLOYMENT, site=None).select_related("package").first()
    if current is not None:
        return str(current.package)
    because = Because(changed_by=None, reason="The package that ships with this version.")
    with transaction.atomic():
        activate(name=DEFAULT_DEPLOYMENT, site=None, package=package, because=because)
    return str(package)


def demo_access_prepare(*, access_file: Path) -> DemoAccess:
    """The demo site's login and token: those of an earlier start while they still hold, else new ones."""
    site = Site.objects.filter(slug=DEMO).first() or site_create(slug=DEMO, name="Demo hospital")
    user = User.objects.filter(username=DEMO, site=site).first()
    kept = _access_read(access_file)
    if kept is not None and user is not None and user.check_password(kept.password) and _token_holds(user, kept.token):
        return kept
    password = secrets.token_urlsafe(12)
    if user is None:
        user = user_create(site=site, username=DEMO, password=password, role=Role.ADMINISTRATOR)
    else:
        user.set_password(password)
        user.save(update_fields=["password"])
    _, token = token_issue(user=user, name="made by the launcher")
    access = DemoAccess(username=DEMO, password=password, token=token)
    _access_write(access_file, access)
    return access


def _version(folder: Path) -> tuple[int, int, int, bool, str]:
    """Sorts packages by the version in their manifest; a pre-release (1.0.0-rc1) comes before its release."""
    manifest = json.loads((folder / "manifest.json").read_text())
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(.*)", str(manifest.get("version", "")))
    if found is None:
        raise EmbeddedServiceError(f"{folder.name}: its manifest has no version")
    major, minor, patch, rest = found.groups()
    return int(major), int(minor), int(patch), not rest, rest


def _access_read(path: Path) -> DemoAccess | None:
    try:
        return DemoAccess(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None  # absent, or not ours any more: new access is made


def _access_write(path: Path, access: DemoAccess) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(asdict(access), indent=2) + "\n")
    temporary.replace(path)


def _token_holds(user: User, plain: str) -> bool:
    return ApiToken.objects.filter(user=user, token_hash=token_hash(plain), revoked_at=None).exists()
