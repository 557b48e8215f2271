"""A site of its own in a running product, with people of every role and one of everything the API can name.

The checks may do there what they like: what they must leave alone, so that they can go on, is in `kept`.
"""

from __future__ import annotations

import base64
import io
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from model_registry.phantom import PhantomView, phantom_study
from tests.end_to_end_tests.registry import package_pass
from tests.end_to_end_tests.stack import Stack, wait_until

SLUG = "schema-check"
#: Nobody listens there. The product has to allow it: see SETTINGS.
WEBHOOKS_AT = "http://127.0.0.1:8080"
#: What the product is started with, so that a thousand requests in a minute are answered for what they say.
SETTINGS = {
    "RATE_LIMIT_PER_TOKEN": "0",
    "RATE_LIMIT_PER_SITE": "0",
    "WEBHOOKS_ALLOW_HTTP": "true",
    "WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
}
WHY = {"reason": "because of the check"}
#: Callers whom the API is checked for; None sends nothing.
CALLERS = ("administrator", "platform", "reader", "nobody")


@dataclass
class Ground:
    """`tokens`: caller → token. `values`: place of a parameter → values that exist. `kept`: parameter → values left alone."""

    tokens: dict[str, str | None]
    values: dict[str, list[Any]] = field(default_factory=dict)
    kept: dict[str, list[str]] = field(default_factory=dict)
    files: list[bytes] = field(default_factory=list)


def ground_prepare(stack: Stack) -> Ground:
    """Make the site, the people and their things. Raises HTTPStatusError or AssertionError where the product does not let us."""
    beginner = _person(stack.client, f"{SLUG}-beginner", role="administrator")
    first = stack.client.post("/api/v1/tokens", json={"name": SLUG, "user": beginner["id"]}).raise_for_status().json()
    _platform_administrator_make(stack, beginner["username"])
    with _client(stack, first["token"]) as platform:
        platform.post("/api/v1/sites", json={"slug": SLUG, "name": "A site to be checked"}).raise_for_status()
        people = {
            role: _person(platform, f"{SLUG}-{role}", role="reader" if role == "reader" else "administrator", site=SLUG)
            for role in ("administrator", "platform", "reader")
        }
        _platform_administrator_make(stack, people["platform"]["username"])
        tokens: dict[str, str | None] = {}
        kept_tokens = [first["id"]]
        for role, person in people.items():
            made = platform.post("/api/v1/tokens", json={"name": SLUG, "user": person["id"]}).raise_for_status().json()
            tokens[role] = made["token"]
            kept_tokens.append(made["id"])
        others = [str(user["id"]) for user in platform.get("/api/v1/users?page_size=200").json()["results"]]
        sites = [site["slug"] for site in platform.get("/api/v1/sites?page_size=200").json()["results"]]
    # Left alone: the people of the check, and whoever was there before.
    kept = {"user_id": others, "token_id": kept_tokens, "slug": sites}
    ground = Ground(tokens={**tokens, "nobody": None}, kept=kept)
    with _client(stack, str(tokens["administrator"])) as administrator:
        _things_make(stack, administrator, ground)
    ground.values["view_id"] = [_view_make(stack, token) for token in tokens.values() if token is not None]
    return ground


def _client(stack: Stack, token: str) -> httpx.Client:
    return httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False)


def _person(client: httpx.Client, username: str, **fields: str) -> dict[str, Any]:
    return dict(client.post("/api/v1/users", json={"username": username, **fields}).raise_for_status().json())


def _platform_administrator_make(stack: Stack, username: str) -> None:
    """No API makes one."""
    with closing(sqlite3.connect(stack.data_dir / "mammoserve.sqlite3", timeout=30)) as database, database:
        changed = database.execute("UPDATE accounts_user SET is_superuser=1 WHERE username=?", (username,))
        assert changed.rowcount == 1


def _things_make(stack: Stack, client: httpx.Client, ground: Ground) -> None:
    views = phantom_study(seed=11, size_hw=(512, 416))
    ground.files = [view.to_dicom_bytes() for view in views[:2]]
    good, bad = _submit(client, ground.files[0]), _submit(client, unreadable(views[1]))
    upload = upload_send(client, ground.files[1])
    resumed = upload_send(client, b"half", length=8)
    batch = _post(client, "batches", {"name": "checked", "auto_start": True, "items": [
        {"custom_id": "good", "uploads": [upload]},
        {"custom_id": "held", "uploads": [upload_send(client, b"no image at all")]},
    ]})  # fmt: skip
    open_batch = _post(client, "batches", {"name": "open"})
    webhook = _post(client, "webhooks", {"url": f"{WEBHOOKS_AT}/checked", "event_types": ["job.succeeded"]})
    for job in (good["job"]["id"], bad["job"]["id"]):
        _ended(client, f"jobs/{job}", "status", {"SUCCEEDED", "FAILED"})
    _ended(client, f"batches/{batch['id']}", "state", {"completed", "failed"})
    held = client.get("/api/v1/quarantine").json()["results"]
    study = client.get(f"/api/v1/studies/{good['id']}").json()
    result = client.get(f"/api/v1/jobs/{good['job']['id']}/result").raise_for_status().json()
    digest = result["package"]["digest"]
    package_pass(stack, digest)
    package = stack.client.get(f"/api/v1/packages/{digest}").json()
    own = _post(client, "deployments/default/activate", {"package": digest, "scope": "site", **WHY})
    later = _post(client, "deployments/default/activate", {
        "package": digest, "scope": "site", "apply_at": "2099-01-01T00:00:00Z", **WHY,
    })  # fmt: skip
    person = _person(client, f"{SLUG}-someone", role="submitter")
    token = _post(client, "tokens", {"name": "to be revoked"})
    test = _post(client, f"webhooks/{webhook['id']}/test", {})
    checks = stack.client.get(f"/api/v1/packages/{digest}/validations").json()["results"]
    assert own["state"] == "APPLIED"
    ground.values = {
        "job_id": [good["job"]["id"], bad["job"]["id"]],
        "study_id": [good["id"], bad["id"]],
        "image_id": [image["id"] for image in study["images"]],
        "batch_id": [batch["id"], open_batch["id"]],
        "item_id": [item["id"] for item in held],
        "upload_id": [resumed, upload],
        "webhook_id": [webhook["id"]],
        "delivery_id": [test["id"]],
        "digest": [digest],
        "check_id": [check["id"] for check in checks],
        "request_id": [later["request"]["id"]],
        "path": [file["path"] for file in package["files"]],
        "user_id": [person["id"]],
        "token_id": [token["id"]],
        "slug": [SLUG],
        "artifact": [result["images"][0]["preview"]["url"].partition("/artifacts/")[2]],
        "deployment": ["default"],
    }


def _post(client: httpx.Client, address: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"/api/v1/{address}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


def _view_make(stack: Stack, token: str) -> str:
    """Everybody has views of one's own; another's are 404."""
    with _client(stack, token) as client:
        return str(_post(client, "jobs/views", {"name": "Being read", "query": {"reading": "unread", "sort": "oldest"}})["id"])


def _submit(client: httpx.Client, data: bytes) -> dict[str, Any]:
    answer = client.post("/api/v1/studies", files=[("files", ("view", data))], data={"external_id": "checked"})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def upload_send(client: httpx.Client, data: bytes, *, length: int | None = None) -> str:
    """One resumable upload in one piece, or the beginning of one; returns its id."""
    headers = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(length or len(data)),
        "Upload-Metadata": f"filename {base64.b64encode(b'view.dcm').decode()}",
        "Content-Type": "application/offset+octet-stream",
    }
    answer = client.post("/api/v1/uploads", content=data, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def unreadable(view: PhantomView) -> bytes:
    """An image whose header is in order and whose JPEG 2000 stream is none: taken in, and refused by the worker."""
    dataset = pydicom.dcmread(io.BytesIO(view.to_dicom_bytes()))
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(5000)])
    dataset["PixelData"].is_undefined_length = True
    written = io.BytesIO()
    dataset.save_as(written)
    return written.getvalue()


def _ended(client: httpx.Client, address: str, field_name: str, ends: set[str]) -> None:
    wait_until(
        lambda: client.get(f"/api/v1/{address}").json()[field_name] in ends, limit_seconds=90, what=address, every_seconds=0.2
    )
