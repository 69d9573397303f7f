"""Addresses of clients: in one form, and as attempts from them are counted."""

from ipaddress import IPv6Address, ip_address, ip_network

_MAPPED = "::ffff:"


def plain(address: str) -> str:
    """Return an IPv4 address that a socket for both kinds names as IPv6 (RFC 4291, 2.5.5.2) as IPv4; others as they are."""
    return address[len(_MAPPED) :] if address.lower().startswith(_MAPPED) and "." in address else address


def subscriber(address: str) -> str:
    """Return whose address it is, as far as one can tell: a subscriber of IPv6 has at least a /64, and so 2^64 addresses."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else address
