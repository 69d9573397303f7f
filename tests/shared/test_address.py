"""Addresses of clients: one form each, and counted by whose they are (security.md, threat 26)."""

import pytest

from shared.wire.address import plain, subscriber


@pytest.mark.parametrize(
    ("address", "written", "counted"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::1", "::1", "::/64"),
        ("", "", ""),  # a Unix socket
        ("unknown", "unknown", "unknown"),
    ],
)
def test_a_subscriber_of_ipv6_is_one_and_ipv4_is_ipv4(address: str, written: str, counted: str) -> None:
    assert plain(address) == written
    assert subscriber(plain(address)) == counted
