"""One attempt over a real network: bounded in time and size, to the checked address and no other."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from notifications.addresses import AddressPolicy
from notifications.sending import AttemptOrder, Outcome, TimeLimits, attempt_send
from tests.platform_tests.notifications_tests.receiver import Receiver, answered, dribbling, endless, receiving, silent

LOOPBACK = AddressPolicy(allow_http=True, allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),))
LIMITS = TimeLimits(connect_seconds=20.0, read_seconds=20.0, total_seconds=20.0)
IMPATIENT = TimeLimits(connect_seconds=1.0, read_seconds=1.0, total_seconds=1.0)


def send(
    url: str, *, policy: AddressPolicy = LOOPBACK, limits: TimeLimits = LIMITS, context: ssl.SSLContext | None = None
) -> Outcome:
    order = AttemptOrder(uuid.uuid4(), "claim", "request", url, {"content-type": "application/json"}, b"{}")
    ssl_context = context or httpx.create_ssl_context()
    return asyncio.run(attempt_send(order, policy=policy, limits=limits, ssl_context=ssl_context))


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Names resolve to the next of the answers, the last one for ever; returns what was asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def lookup(host: Any, port: Any, *args: Any, **given: Any) -> Any:
        if not str(host).endswith(".example"):
            return real(host, port, *args, **given)
        address = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return asked


def test_a_success_brings_status_time_and_the_beginning_of_the_answer(receiver: Receiver):
    receiver.answer = answered(201, b"stored \x00\xff" + b"z" * 5000)
    outcome = send(receiver.url())
    assert (outcome.status, outcome.error) == (201, "")
    assert 0 < outcome.elapsed_seconds < 20
    assert outcome.answer.startswith("stored \ufffd\ufffdzzz")
    assert len(outcome.answer) == 500
    assert receiver.got[0].body == b"{}"


@pytest.mark.parametrize(
    ("status", "error"), [(400, "status"), (500, "status"), (410, "status"), (302, "redirect"), (307, "redirect")]
)
def test_anything_but_2xx_is_no_delivery_and_no_redirect_is_followed(receiver: Receiver, status: int, error: str):
    receiver.answer = answered(status, b"", Location=receiver.url(path="/elsewhere"))
    outcome = send(receiver.url())
    assert (outcome.status, outcome.error) == (status, error)
    assert [got.path for got in receiver.got] == ["/hooks"]


@pytest.mark.parametrize("answer", [silent(), dribbling])
def test_whoever_does_not_answer_costs_a_limited_time(answer: Any):
    with receiving(answer) as slow:
        outcome = send(slow.url(), limits=IMPATIENT)
        assert (outcome.status, outcome.error) == (None, "timeout")
        assert 1 <= outcome.elapsed_seconds < 20  # they would go on for a minute


def test_an_endless_answer_is_not_read(receiver: Receiver):
    receiver.answer = endless
    outcome = send(receiver.url())
    assert (outcome.status, outcome.error, len(outcome.answer)) == (200, "", 500)
    deadline = time.monotonic() + 10
    while not hasattr(receiver.server, "sent") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert receiver.server.sent < 2**24  # type: ignore[attr-defined]  # what fits into buffers, of a gigabyte


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/").error == "connect_failed"


@pytest.mark.parametrize(
    ("given", "seconds"), [("17", 17.0), ("999999", 3600.0), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)]
)
def test_retry_after_is_read_within_reason(receiver: Receiver, given: str, seconds: float | None):
    receiver.answer = answered(503, b"", Retry_After=given)
    assert send(receiver.url()).retry_after_seconds == seconds


def test_a_name_that_has_moved_inside_since_it_was_set_up_is_refused(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    resolving(monkeypatch, "127.0.0.1")
    outcome = send(receiver.url("rebound.example"), policy=AddressPolicy(allow_http=True))
    assert (outcome.status, outcome.error) == (None, "address_refused")
    assert receiver.got == []


def test_a_name_is_looked_up_once_and_the_checked_address_is_the_one_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    asked = resolving(monkeypatch, "127.0.0.1", "10.255.255.1")  # the second look-up would go elsewhere
    outcome = send(receiver.url("hooks.example"))
    assert (outcome.status, outcome.error) == (200, "")
    assert asked == ["hooks.example"]
    assert receiver.got[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_the_first_address_that_answers_serves(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    def lookup(host: Any, port: Any, *args: Any, **given: Any) -> Any:
        # Nothing listens at the first one: the receiver is bound to 127.0.0.1 alone.
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert send(receiver.url("hooks.example")).status == 200


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch):
    def lookup(*_: Any, **__: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert send("https://nowhere.example/").error == "name_unknown"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """(certificate, key) of hooks.example, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(files[0]), str(files[1])


def test_tls_is_verified_against_the_name_although_an_address_is_connected_to(
    certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    resolving(monkeypatch, "127.0.0.1")
    trusting = ssl.create_default_context(cafile=certificate[0])
    with receiving(certificate=certificate) as secure:
        assert send(secure.url("hooks.example"), context=trusting).status == 200
        assert send(secure.url("other.example"), context=trusting).error == "tls_failed"
        assert send(secure.url("hooks.example")).error == "tls_failed"  # nobody vouches for it
        assert [got.headers["host"] for got in secure.got] == [f"hooks.example:{secure.port}"]


def test_tls_to_someone_who_speaks_none(receiver: Receiver):
    assert send(receiver.url().replace("http:", "https:")).error == "tls_failed"
