"""IP addresses and networks of either version, and which address is in which network."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


def normalise_networks(texts: Iterable[str]) -> list[str]:
    """Return networks in CIDR notation, each once; a single address is a network of its own.

    ValueError for what is none, or names an address inside of it (10.0.0.1/8).
    """
    networks = [_unmap_network(ipaddress.ip_network(text.strip())) for text in texts]
    return list(dict.fromkeys(str(network) for network in networks))


@lru_cache(maxsize=4096)
def parse_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


@lru_cache(maxsize=4096)
def is_in(address: str, networks: tuple[Network, ...]) -> bool:
    if not is_address(address):
        return False
    return any(ipaddress.ip_address(address) in network for network in networks)


@lru_cache(maxsize=4096)
def unmap(address: str) -> str:
    """Return the IPv4 address that a dual-stack socket shows as ::ffff:192.0.2.1."""
    ip = ipaddress.ip_address(address) if is_address(address) else None
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped) if mapped else address


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _unmap_network(network: Network) -> Network:
    """Return an IPv4 network as such, as addresses are compared in that form."""
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return ipaddress.IPv4Network((str(mapped), network.prefixlen - _MAPPED.prefixlen))
    return network
