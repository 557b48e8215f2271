"""Where a webhook may go. The platform stands inside a hospital's network, and whoever names an address must not reach into it.

A URL is judged by its form; a host by every address its name has at this moment. Who connects must use the addresses returned
here and look nothing up again: a name that changes its mind between check and use (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LookupTimeout
from dataclasses import dataclass

import httpx
from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_URL_LENGTH = 500
_LOOKUP_SECONDS = 5.0
#: Where clouds serve credentials to whoever asks from inside: refused even where private addresses are allowed.
_METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254")
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_lookups = ThreadPoolExecutor(4, thread_name_prefix="webhook-address")


class AddressRefused(Exception):
    """Nothing is sent there. The text says why, in words for whoever set the webhook up; it names no address looked up."""


class NameUnknown(AddressRefused):
    """The name has no address at this moment."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What this installation allows. `ports` empty: every port."""

    allow_http: bool = False
    allow_private: bool = False
    allowed_networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset()

    @classmethod
    def from_settings(cls) -> AddressPolicy:
        return cls(
            allow_http=settings.WEBHOOKS_ALLOW_HTTP,
            allow_private=settings.WEBHOOKS_ALLOW_PRIVATE,
            allowed_networks=tuple(ipaddress.ip_network(text) for text in settings.WEBHOOKS_ALLOWED_NETWORKS),
            ports=frozenset(settings.WEBHOOKS_PORTS),
        )


def url_check(url: str, *, policy: AddressPolicy) -> tuple[str, int]:
    """(host, port) of a URL whose form is acceptable. Raises AddressRefused."""
    if len(url) > _URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused(f"The URL must be at most {_URL_LENGTH} printable ASCII characters, without spaces.")
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError):
        raise AddressRefused("This is no URL.") from None
    if parsed.scheme not in ("https", "http") or not host:
        raise AddressRefused("The URL must begin with https:// and name a host.")
    if parsed.scheme == "http" and not policy.allow_http:
        raise AddressRefused("Only https is allowed here; the operator may allow http with WEBHOOKS_ALLOW_HTTP.")
    if parsed.userinfo or parsed.fragment or "%" in host:
        raise AddressRefused("The URL may hold no user name, password, fragment or zone.")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    if policy.ports and port not in policy.ports:
        raise AddressRefused(f"Port {port} is not allowed here; the operator may add it to WEBHOOKS_PORTS.")
    return host, port


def addresses_check(found: Sequence[str], *, policy: AddressPolicy) -> list[str]:
    """The addresses of a name, all of them acceptable. Raises AddressRefused when a single one is not, NameUnknown for none."""
    if not found:
        raise NameUnknown("The name has no address.")
    for text in found:
        if not _is_allowed(ipaddress.ip_address(text), policy):
            raise AddressRefused(
                "The host has a private, local or reserved address; the operator may allow it with WEBHOOKS_ALLOWED_NETWORKS."
            )
    return list(dict.fromkeys(found))


def target_check(url: str, *, policy: AddressPolicy) -> None:
    """Form and addresses, as when an endpoint is set up. Raises AddressRefused."""
    host, port = url_check(url, policy=policy)
    try:
        found = _lookups.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM).result(_LOOKUP_SECONDS)
    except (OSError, UnicodeError, LookupTimeout):
        raise NameUnknown("The name cannot be looked up.") from None
    addresses_check([str(entry[4][0]) for entry in found], policy=policy)


def _is_allowed(address: Address, policy: AddressPolicy) -> bool:
    inner = _embedded(address)
    if any(candidate in network for network in policy.allowed_networks for candidate in (address, inner)):
        return True
    if inner in _METADATA:
        return False
    if inner.is_multicast or inner.is_unspecified or inner.is_link_local:
        return False
    return policy.allow_private or (inner.is_global and not inner.is_reserved and not _is_site_local(inner))


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_site_local(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.is_site_local
