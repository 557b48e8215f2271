"""The examples of the OpenAPI document: what the running product was really asked and really answered.

`platform/docs/examples.json` holds them as {operation: {"request": {name: body}, "responses": {status: {name: body}}}};
`make examples` writes it, and a test holds it against what the product answers today.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx

from tests.end_to_end_tests.schema_check.ground import WEBHOOKS_AT, Ground, upload_send
from tests.end_to_end_tests.stack import ROOT, TERMINAL, Stack, wait_until

EXAMPLES = ROOT / "platform" / "docs" / "examples.json"
PUBLIC = "https://mammoserve.example.org"
_SECRET = "whsec_" + "A" * 43 + "="
#: Maps whose keys are data: labels of a package, names of stages.
_FREE = frozenset(
    {"probabilities", "calibrated_probabilities", "logits", "elapsed_seconds", "metadata", "rules", "detail", "counts"}
)


class _Collection:
    """What is asked through it is kept."""

    def __init__(self, stack: Stack, token: str) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._host = stack.url
        self._client = httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False)

    def ask(self, operation: str, name: str, method: str, address: str, *, status: int, **body: Any) -> Any:
        """The answer's document, kept as `name`. Raises AssertionError for another status."""
        answer = self._client.request(method, f"/api/v1/{address}", **body)
        assert answer.status_code == status, answer.text
        kept = self.found.setdefault(operation, {"responses": {}})
        document = self._public(answer.text.splitlines()[0] if "ndjson" in answer.headers["Content-Type"] else answer.text)
        kept["responses"].setdefault(str(status), {})[name] = document
        if "json" in body and answer.is_success:
            kept.setdefault("request", {})[name] = self._public(json.dumps(body["json"]))
        return answer.json() if "ndjson" not in answer.headers["Content-Type"] else None

    def uploads(self, files: list[bytes]) -> list[str]:
        return [upload_send(self._client, data) for data in files]

    def ended(self, job: str) -> None:
        """Wait for the job's end."""
        wait_until(
            lambda: self._client.get(f"/api/v1/jobs/{job}").json()["status"] in TERMINAL,
            limit_seconds=60,
            what=f"job {job} ends",
            every_seconds=0.2,
        )

    def forget(self, address: str) -> None:
        """Delete it: a second collection begins as the first one did."""
        assert self._client.delete(f"/api/v1/{address}").status_code == 204

    def close(self) -> None:
        self._client.close()

    def _public(self, text: str) -> Any:
        """The document with the product's address and its secrets replaced."""
        public = text.replace(self._host, PUBLIC).replace(WEBHOOKS_AT, "https://ris.example.org")
        return json.loads(re.sub(r"whsec_[A-Za-z0-9+/=]+", _SECRET, public))


def examples_collect(stack: Stack, ground: Ground) -> dict[str, dict[str, Any]]:
    """Every example, from requests to the running product on its ground."""
    collection = _Collection(stack, str(ground.tokens["administrator"]))
    try:
        _studies(collection, ground)
        _worklist(collection, ground)
        _batches(collection, ground)
        _others(collection, ground)
    finally:
        collection.close()
    return collection.found


def _studies(collection: _Collection, ground: Ground) -> None:
    ask = collection.ask
    values = ground.values
    body = {
        "uploads": collection.uploads(ground.files),
        "external_id": "ACC-77",
        "priority": "stat",
        "image_laterality": ["R", "R"],
    }
    accepted = ask("studies_submit", "Uploaded files", "POST", "studies", status=202, json=body)
    ask("jobs_retrieve", "Queued", "GET", f"jobs/{accepted['job']['id']}", status=200)
    again = ask("studies_submit", "Used a second time", "POST", "studies", status=409, json=body)
    assert again["code"] == "input:upload_consumed"
    files = [("files", ("notes.txt", b"no image at all"))]
    ask("studies_submit", "Not an image", "POST", "studies", status=422, files=files)
    ask("studies_submit", "A field that is not valid", "POST", "studies", status=400, json={**body, "priority": "soon"})
    ask("studies_list", "Studies", "GET", "studies?page_size=1", status=200)
    ask("studies_retrieve", "A study", "GET", f"studies/{values['study_id'][0]}", status=200)
    done, failed = values["job_id"]
    ask("jobs_retrieve", "Succeeded", "GET", f"jobs/{done}", status=200)
    ask("jobs_retrieve", "Failed", "GET", f"jobs/{failed}", status=200)
    ask("jobs_list", "Failed jobs", "GET", "jobs?status=FAILED&page_size=1", status=200)
    ask("jobs_events", "A job's history", "GET", f"jobs/{done}/events", status=200)
    ask("jobs_result", "A result", "GET", f"jobs/{done}/result", status=200)
    ask("jobs_result", "No result", "GET", f"jobs/{failed}/result", status=404)
    ask("jobs_cancel", "Too late", "POST", f"jobs/{done}/cancel", status=409)
    ask("jobs_retry", "Queued again", "POST", f"jobs/{failed}/retry", status=202)
    ask("jobs_bulk", "Two jobs", "POST", "jobs/bulk", status=200, json={"action": "retry", "jobs": [done, failed]})
    collection.ended(failed)


def _worklist(collection: _Collection, ground: Ground) -> None:
    ask = collection.ask
    done, failed = ground.values["job_id"]
    ask("jobs_mark_read", "Read", "PUT", "jobs/reading", status=200, json={"jobs": [done], "read": True})
    ask("jobs_export", "A line", "GET", "jobs/export?format=jsonl&status=SUCCEEDED", status=200)
    chosen = {"jobs": [done, failed], "format": "jsonl", "identifiers": True, "sort": "oldest"}
    ask("jobs_export_chosen", "Two jobs", "POST", "jobs/export", status=200, json=chosen)
    ask("jobs_export_count", "Before a large one", "GET", "jobs/export/count?status=SUCCEEDED", status=200)
    view = {"name": "To be read first", "query": {"reading": "unread", "sort": "most_suspicious"}, "is_default": True}
    made = ask("views_create", "A view", "POST", "jobs/views", status=201, json=view)
    taken = ask("views_create", "A name that is taken", "POST", "jobs/views", status=409, json=view)
    assert taken["code"] == "input:view_name_taken"
    ask("views_list", "Views", "GET", "jobs/views", status=200)
    ask("views_change", "Another name", "PATCH", f"jobs/views/{made['id']}", status=200, json={"name": "Unread"})
    collection.forget(f"jobs/views/{made['id']}")
    sample = ask("sample_study_submit", "Accepted", "POST", "sample-study", status=202)
    collection.ended(sample["job"]["id"])
    ask("sample_study_submit", "There already", "POST", "sample-study", status=200)
    collection.forget("sample-study")


def _batches(collection: _Collection, ground: Ground) -> None:
    ask, values = collection.ask, ground.values
    ended = values["batch_id"][0]
    first, second = collection.uploads(ground.files)
    whole = {
        "name": "screening week 12",
        "priority": "backfill",
        "auto_start": True,
        "metadata": {"ward": "screening"},
        "items": [
            {"custom_id": "case-0001", "external_id": "ACC-77", "uploads": [first]},
            {"custom_id": "case-0002", "uploads": [second], "priority": "stat"},
        ],
    }
    ask("batches_create", "Two studies, started at once", "POST", "batches", status=202, json=whole)
    opened = ask("batches_create", "An open batch", "POST", "batches", status=202, json={"name": "screening week 12"})
    twice = {"items": [{"custom_id": "case-0001"}, {"custom_id": "case-0001"}, {"custom_id": "?"}]}
    ask("batches_create", "Refused as a whole", "POST", "batches", status=400, json=twice)
    item = {"items": [{"custom_id": "case-0003", "uploads": [values["upload_id"][0]]}]}
    ask("batches_items_append", "One more", "POST", f"batches/{opened['id']}/items", status=202, json=item)
    ask("batches_items_append", "Not open any more", "POST", f"batches/{ended}/items", status=409, json=item)
    ask("batches_retrieve", "Ended", "GET", f"batches/{ended}", status=200)
    ask("batches_list", "Batches", "GET", "batches?page_size=1", status=200)
    ask("batches_items", "Items", "GET", f"batches/{ended}/items", status=200)
    ask("batches_results", "A line", "GET", f"batches/{ended}/results?status=succeeded", status=200)
    ask("quarantine_list", "Kept aside", "GET", "quarantine?page_size=1", status=200)
    ask("quarantine_release", "Tried again", "POST", f"quarantine/{values['item_id'][0]}/release", status=202, json={})


def _others(collection: _Collection, ground: Ground) -> None:
    ask, values = collection.ask, ground.values
    webhook, digest = values["webhook_id"][0], values["digest"][0]
    begun = {"Tus-Resumable": "1.0.0", "Upload-Length": "4000000"}
    ask("uploads_create", "Created", "POST", "uploads", status=201, headers=begun)
    ask("uploads_create", "Not this protocol", "POST", "uploads", status=412, headers={"Upload-Length": "4000000"})
    ask("uploads_retrieve", "Under way", "GET", f"uploads/{values['upload_id'][0]}", status=200)
    ask("uploads_list", "Uploads", "GET", "uploads?page_size=1", status=200)
    hook = {
        "url": f"{WEBHOOKS_AT}/inbox",
        "description": "RIS",
        "event_types": ["job.succeeded", "batch.completed", "alert.raised"],
    }
    ask("webhooks_create", "A webhook", "POST", "webhooks", status=201, json=hook)
    ask(
        "webhooks_create",
        "An address that is not allowed",
        "POST",
        "webhooks",
        status=422,
        json={**hook, "url": "https://10.0.0.1/"},
    )
    ask("webhooks_retrieve", "A webhook", "GET", f"webhooks/{webhook}", status=200)
    ask("webhooks_test", "A test event", "POST", f"webhooks/{webhook}/test", status=202)
    ask("webhooks_deliveries", "Deliveries", "GET", f"webhooks/{webhook}/deliveries?page_size=1", status=200)
    ask("deployments_list", "What can be submitted to", "GET", "deployments", status=200)
    ask("deployments_retrieve", "One deployment", "GET", "deployments/default", status=200)
    change = {"package": digest, "scope": "site", "reason": "Compared on our own cases; the committee agreed."}
    ask("deployments_activate", "At once", "POST", "deployments/default/activate", status=200, json=change)
    later = {**change, "apply_at": "2099-01-01T07:00:00Z"}
    ask("deployments_activate", "On a day", "POST", "deployments/default/activate", status=202, json=later)
    ask(
        "deployments_rollback",
        "An unknown deployment",
        "POST",
        "deployments/other/rollback",
        status=422,
        json={"scope": "site", "reason": change["reason"]},
    )
    ask("packages_list", "Packages", "GET", "packages", status=200)


def examples_write(found: dict[str, dict[str, Any]]) -> None:
    EXAMPLES.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def differences(kept: Any, answered: Any, place: str = "") -> Iterator[str]:
    """Where two documents are not of one shape: other fields, another type. Null fits everything, and so does an empty list."""
    if kept is None or answered is None:
        return
    if isinstance(kept, dict) and isinstance(answered, dict):
        if place.rpartition(".")[2] in _FREE:
            return
        for name in sorted(kept.keys() ^ answered.keys()):
            yield f"{place}.{name} is {'gone' if name in kept else 'new'}"
        for name in sorted(kept.keys() & answered.keys()):
            yield from differences(kept[name], answered[name], f"{place}.{name}")
    elif isinstance(kept, list) and isinstance(answered, list):
        if kept and answered:
            yield from differences(kept[0], answered[0], f"{place}[]")
    elif _type(kept) != _type(answered):
        yield f"{place} is {_type(answered)}, not {_type(kept)}"


def _type(value: Any) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__
