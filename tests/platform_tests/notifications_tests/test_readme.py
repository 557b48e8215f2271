"""The receiver that the room's README gives to integrators works as it stands there."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

import notifications
from accounts.models import Site
from notifications.deliveries import delivery_replay
from notifications.endpoints import endpoint_create, endpoint_test
from notifications.models import WebhookDelivery, WebhookEndpoint
from tests.platform_tests.notifications_tests.conftest import deliver

README = Path(notifications.__file__).with_name("README.md")


@pytest.fixture
def example(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[dict[str, Any], WebhookEndpoint, str]]:
    """(the example's names, an endpoint that points to it, its URL)."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), None)  # type: ignore[arg-type]  # the example's class, once it has its secret
    url = f"http://127.0.0.1:{server.server_address[1]}/hooks"
    endpoint, secret = endpoint_create(site=site, url=url, created_by=None)
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, "README.md", "exec"), names)  # noqa: S102 - our own text
    done: list[Any] = []
    names["work"] = done.append
    names["done"] = done
    names["Receiver"].log_message = lambda *_: None
    server.RequestHandlerClass = names["Receiver"]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield names, endpoint, url
    server.shutdown()
    server.server_close()


def test_it_takes_what_is_ours_once_and_refuses_the_rest(example: tuple[dict[str, Any], WebhookEndpoint, str]):
    names, endpoint, url = example
    endpoint_test(endpoint=endpoint, tested_by=None)
    assert [outcome.status for outcome in deliver()] == [204]
    delivery_replay(delivery=WebhookDelivery.objects.get(), requested_by=None)
    assert [outcome.status for outcome in deliver()] == [204]
    assert [event["type"] for event in names["done"]] == ["webhook.ping"]
    forged = {"webhook-id": "x", "webhook-timestamp": "1700000000", "webhook-signature": "v1,AAAA"}
    assert httpx.post(url, content=b"{}", headers=forged, trust_env=False).status_code == 400
    assert len(names["done"]) == 1
