"""A webhook leads to the public internet and nowhere else, however its URL is written."""

# ruff: noqa: S104 - addresses are looked at here, and nothing listens on them

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest

from syncd.errors import PermanentError, TransientError
from syncd.webhooks.addresses import addresses_of, checked_url, is_public, resolve

NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:100.64.0.1",
    "::ffff:0:8.8.8.8",
    "64:ff9b::10.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:53aa:64c:0:fbfe:3f57:fe34",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "::ffff:8.8.8.8",
    "2606:4700::1111",
    "2a00:1450:4001::8a",
]


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused_even_among_public_ones(text: str) -> None:
    assert not is_public(ip_address(text))
    with pytest.raises(PermanentError, match="not public"):
        addresses_of("example.com", 443, (), lambda _host, _port: ["8.8.8.8", text])


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_taken(text: str) -> None:
    assert is_public(ip_address(text))
    assert addresses_of("example.com", 443, (), lambda _host, _port: [text]) == [str(ip_address(text))]


def test_only_the_networks_that_were_allowed_are_open() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))

    def ask(*found: str) -> Sequence[str]:
        return addresses_of("inside", 80, allowed, lambda _host, _port: found)

    assert ask("10.1.2.3", "fd00::1", "8.8.8.8", "::ffff:10.1.0.1") == [
        "10.1.2.3",
        "fd00::1",
        "8.8.8.8",
        "::ffff:a01:1",
    ]
    for text in ("10.2.0.1", "127.0.0.1", "169.254.169.254", "::ffff:10.2.0.1", "fe80::1"):
        with pytest.raises(PermanentError):
            ask("10.1.2.3", text)


def test_a_host_without_an_address_may_have_one_later() -> None:
    with pytest.raises(TransientError, match=r"nothing\.invalid has no address"):
        addresses_of("nothing.invalid", 80, (), resolve)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ],
)
def test_this_machine_is_refused_under_each_of_its_names(host: str) -> None:
    """By the system's own resolver."""
    url = checked_url(f"http://{host}:8080/")
    with pytest.raises(PermanentError, match="not public"):
        addresses_of(url.raw_host.decode(), 8080, (), resolve)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "0x",
        "010.0.0.1",
        "1.2.3.4.5",
        "256.1.1.1",
        "127.0.0.1.",
        "foo.0x7f",
        "08.8.8.8",
    ],
)
def test_addresses_in_disguise_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="four decimal numbers"):
        checked_url(f"http://{host}/")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/", "https:// or http://"),
        ("file:///etc/passwd", "https:// or http://"),
        ("gopher://example.com/", "https:// or http://"),
        ("example.com/path", "https:// or http://"),
        ("//example.com/path", "https:// or http://"),
        ("", "https:// or http://"),
        ("https://", "must name a host"),
        ("https:///path", "must name a host"),
        ("https://user:word@example.com/", "no user and no password"),
        ("https://user@example.com/", "no user and no password"),
        ("https://@example.com/", "no user and no password"),
        ("https://example.com:0/", "a port"),
        ("https://example.com:99999/", "a port"),
        ("https://example.com:x/", "must be a URL"),
        ("https://exa mple.com/", "no spaces"),
        ("https://example.com/\r\nX: y", "no spaces"),
        ("https://example.com\\@10.0.0.1/", "no spaces"),
        ("https://[::1/", "must be a URL"),
        ("https://[fe80::1%25eth0]/", "must"),
        ("https://%31%32%37.0.0.1/", "must"),
        ("https://①②⑦.⓪.⓪.①/", "must"),
        ("https://example.com/" + "x" * 2048, "at most 2048"),
    ],
)
def test_a_url_that_is_none_for_a_webhook_says_why(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        checked_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/a/b?c=d&e=a@b",
        "https://bücher.example/x",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/",
        "https://a_b.example.com/",
        "https://4ever.example/",
    ],
)
def test_ordinary_urls_are_taken(url: str) -> None:
    assert str(checked_url(url)).startswith(("http://", "https://"))


def test_every_reason_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"begin with https.*no user.*four decimal numbers"):
        checked_url("ftp://a:b@2130706433/")
