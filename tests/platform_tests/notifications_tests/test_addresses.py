"""Where webhooks may go."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from notifications.addresses import AddressPolicy, AddressRefused, addresses_check, target_check, url_check

STRICT = AddressPolicy(ports=frozenset({443, 8443}))

PRIVATE = [
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "100.64.0.1",
    "169.254.169.254",
    "169.254.1.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
]
PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address: str):
    with pytest.raises(AddressRefused):
        addresses_check([address], policy=STRICT)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_accepted(address: str):
    assert addresses_check([address], policy=STRICT) == [address]


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(AddressRefused):
        addresses_check(["1.1.1.1", "10.0.0.1"], policy=STRICT)


def test_allowed_networks_are_allowed_and_no_others():
    policy = AddressPolicy(allowed_networks=(ipaddress.ip_network("10.20.0.0/16"),))
    assert addresses_check(["10.20.3.4", "::ffff:10.20.3.4"], policy=policy)
    with pytest.raises(AddressRefused):
        addresses_check(["10.21.3.4"], policy=policy)


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "fe80::1", "224.0.0.1"])
def test_metadata_and_link_local_stay_refused_where_private_is_allowed(address: str):
    policy = AddressPolicy(allow_private=True)
    assert addresses_check(["10.0.0.1", "127.0.0.1", "fd12::1"], policy=policy)
    with pytest.raises(AddressRefused):
        addresses_check([address], policy=policy)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "//example.org/",
        "example.org",
        "",
        "https://",
        "https:///path",
        "https://user:password@example.org/",
        "https://user@example.org/",
        "https://example.org/#fragment",
        "https://example.org:6379/",
        "https://example.org:22/",
        "https://example.org:99999/",
        "https://[fe80::1%25eth0]/",
        "https://exa mple.org/",
        "https://example.org/\r\nX-Injected: 1",
        "https://ex\u00e4mple.org/",
        "https://example.org/" + "x" * 500,
    ],
)
def test_a_url_of_the_wrong_form_is_refused(url: str):
    with pytest.raises(AddressRefused):
        url_check(url, policy=STRICT)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:7f00:1]", "localhost"]
)
def test_every_spelling_of_loopback_is_refused(host: str):
    with pytest.raises(AddressRefused):
        target_check(f"https://{host}/", policy=STRICT)


def test_a_name_is_judged_by_what_it_resolves_to(monkeypatch: pytest.MonkeyPatch):
    answers = {"public.example": "1.1.1.1", "inside.example": "10.0.0.5"}

    def lookup(host: str, port: int, **_: Any) -> list[Any]:
        if host not in answers:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[host], port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    target_check("https://public.example/hooks", policy=STRICT)
    for host in ("inside.example", "unknown.example"):
        with pytest.raises(AddressRefused):
            target_check(f"https://{host}/hooks", policy=STRICT)


def test_the_default_settings_allow_nothing_private(settings: Any):
    from config import settings as defaults

    for name in ("ALLOW_HTTP", "ALLOW_PRIVATE", "ALLOWED_NETWORKS", "PORTS"):
        setattr(settings, f"WEBHOOKS_{name}", getattr(defaults, f"WEBHOOKS_{name}"))
    policy = AddressPolicy.from_settings()
    assert (policy.allow_http, policy.allow_private, policy.allowed_networks) == (False, False, ())
    assert 443 in policy.ports
    assert 6379 not in policy.ports
