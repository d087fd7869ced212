"""Which URLs and addresses a webhook may lead to: nothing inside the network that syncd itself is in."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from syncd.errors import PermanentError, TransientError

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]
Resolve = Callable[[str, int], Sequence[str]]
"""Returns every address of a host; raises OSError when it has none."""

MAX_URL = 2048

# `ipaddress` calls some of these global, or did so in some version of Python.
_REFUSED_4 = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; some clouds keep their metadata there
        "168.63.129.16/32",  # a cloud's own service for each of its machines
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays to 6to4
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Outside of it are loopback, private, link-local, multicast, and 64:ff9b::/96, which leads to any IPv4 address.
_UNICAST_6 = ip_network("2000::/3")
_REFUSED_6 = tuple(
    ip_network(text)
    for text in (
        "2001::/23",  # Teredo and other protocols, which lead elsewhere
        "2001:db8::/32",
        "2002::/16",  # 6to4: leads to any IPv4 address
        "3fff::/20",
    )
)
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


def resolve(host: str, port: int) -> list[str]:
    """Return every address of a host, as the system knows them; see `Resolve`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_url(text: str) -> httpx.URL:
    """Return the URL, if a webhook could have it, wherever it leads.

    Raises:
        ValueError: it could not; every reason is told.
    """
    if len(text) > MAX_URL:
        raise ValueError(f"must have at most {MAX_URL} characters")
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("must have no spaces, control characters or backslashes")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        raise ValueError(
            "must be a URL such as https://example.com/path, an IPv4 address in it four decimal numbers"
        ) from None
    host = url.raw_host.decode("ascii")
    reasons = []
    if url.scheme not in {"http", "https"}:
        reasons.append("must begin with https:// or http://")
    if "@" in re.split(r"[/?#]", text.partition("://")[2])[0]:
        reasons.append("must hold no user and no password: the receiver knows syncd by the signature")
    if _HOST.fullmatch(host) is None:
        reasons.append("must name a host")
    elif ":" not in host and _is_disguised(host):
        reasons.append("must write an IPv4 address as four decimal numbers")
    if url.port is not None and not 1 <= url.port <= 65535:
        reasons.append("must name a port from 1 to 65535")
    if reasons:
        raise ValueError("; ".join(reasons))
    return url


def port_of(url: httpx.URL) -> int:
    """Return the port that a URL leads to."""
    return url.port or (443 if url.scheme == "https" else 80)


def is_public(address: Address) -> bool:
    """Tell whether the address belongs to the public internet, and leads nowhere else."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    return (
        address in _UNICAST_6
        and address.is_global
        and address.scope_id is None
        and not any(address in network for network in _REFUSED_6)
    )


def addresses_of(host: str, port: int, allowed: Networks, find: Resolve) -> list[str]:
    """Resolve a host once, and return its addresses, if a message may go to every one of them.

    Args:
        host: a name or an address.
        port: the port.
        allowed: networks that messages may go to although they are not public.
        find: finds the addresses.

    Raises:
        TransientError: the host has no address now.
        PermanentError: one of its addresses is neither public nor allowed.
    """
    try:
        found = [ip_address(text) for text in find(host, port)]
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise TransientError(f"the host {host} has no address")
    if not all(is_public(address) or _is_allowed(address, allowed) for address in found):
        raise PermanentError(
            f"the host {host} has an address that is not public", "webhooks.allow_private names networks to allow"
        )
    return [str(address) for address in found]


def _is_allowed(address: Address, allowed: Networks) -> bool:
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((inner or address) in network for network in allowed)


def _is_disguised(host: str) -> bool:
    """Tell whether a host is an IPv4 address in a form that only some programs read as one, such as 0177.1."""
    last = host.rstrip(".").rpartition(".")[2].lower()
    if _NUMERIC_LABEL.fullmatch(last) is None:
        return False
    try:
        IPv4Address(host)
    except ValueError:
        return True
    return False
