import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.domain.errors import ForbiddenAddress, Unavailable
from penstock.source_guard import Guard, GuardedResolver, split_url

PRIVATE = ipaddress.ip_network("10.20.0.0/16")
EVERYTHING = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
GENEROUS = Guard(private=EVERYTHING, allow_loopback=True)

NEVER = [
    "169.254.169.254", "169.254.170.2", "169.254.0.1", "100.100.100.200", "168.63.129.16",
    "192.0.0.192", "0.0.0.0", "0.1.2.3",  # noqa: S104 -- refused here
    "255.255.255.255", "240.0.0.1", "224.0.0.1",
    "fe80::1", "fe80::a9fe:a9fe", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "::", "ff02::1",
    "fec0::1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254",
    "64:ff9b::169.254.169.254", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1", "::ffff:0:169.254.169.254", "::ffff:0.0.0.0",
]  # fmt: skip
LOOPBACK = ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "::127.0.0.1"]
PRIVATES = [
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1",
    "fc00::1", "fd12::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "192.0.2.1", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "52.94.236.248", "2606:4700::1111", "::ffff:1.1.1.1", "172.32.0.1"]


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_refused_whatever_the_deployment_allows(address: str) -> None:
    with pytest.raises(ForbiddenAddress, match=r"link-local|metadata"):
        GENEROUS.check_address(ipaddress.ip_address(address), of=address)


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_needs_the_embedded_stack(address: str) -> None:
    parsed = ipaddress.ip_address(address)
    GENEROUS.check_address(parsed, of=address)
    with pytest.raises(ForbiddenAddress, match="this machine itself"):
        Guard(private=EVERYTHING).check_address(parsed, of=address)


@pytest.mark.parametrize("address", PRIVATES)
def test_private_ranges_need_the_deployment_to_list_them(address: str) -> None:
    parsed = ipaddress.ip_address(address)
    GENEROUS.check_address(parsed, of=address)
    with pytest.raises(ForbiddenAddress, match="private_cidrs"):
        Guard(allow_loopback=True).check_address(parsed, of=address)


def test_only_the_listed_range_opens() -> None:
    guard = Guard(private=(PRIVATE,))
    guard.check_address(ipaddress.ip_address("10.20.3.4"), of="10.20.3.4")
    guard.check_address(ipaddress.ip_address("::ffff:10.20.3.4"), of="node")
    with pytest.raises(ForbiddenAddress):
        guard.check_address(ipaddress.ip_address("10.21.3.4"), of="10.21.3.4")


@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_is_open_unless_the_source_narrows_it(address: str) -> None:
    parsed = ipaddress.ip_address(address)
    Guard().check_address(parsed, of=address)
    with pytest.raises(ForbiddenAddress, match="allowed_cidrs"):
        Guard(only=(PRIVATE,)).check_address(parsed, of=address)


def test_a_source_cannot_widen_what_the_deployment_allows() -> None:
    with pytest.raises(ForbiddenAddress, match="private"):
        Guard(only=(PRIVATE,)).check_address(ipaddress.ip_address("10.20.0.1"), of="10.20.0.1")


@given(st.ip_addresses(v=4))
def test_an_address_in_ipv6_clothes_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    guards = [Guard(), Guard(private=(PRIVATE,)), Guard(allow_loopback=True), GENEROUS]
    for guard in guards:
        for clothes in ("::ffff:", "64:ff9b::"):
            dressed = ipaddress.ip_address(f"{clothes}{address}")
            assert _verdict(guard, dressed) == _verdict(guard, address)


@given(st.ip_addresses())
def test_without_settings_only_global_addresses_pass(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if _verdict(Guard(), address):
        mapped = getattr(address, "ipv4_mapped", None) or address
        carried = address in ipaddress.ip_network("64:ff9b::/96") or int(address) < 2**32
        assert mapped.is_global or carried
        assert not mapped.is_loopback
        assert not mapped.is_link_local
        assert not mapped.is_multicast


def _verdict(guard: Guard, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        guard.check_address(address, of=str(address))
    except ForbiddenAddress:
        return False
    return True


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/",
        "http://127.1/", "http://017700000001/", "http://127.0.0.1./", "http://169.254.43518/",
        "http://1.2.3.4.5/", "http://0x/", "http://[fe80::1%25eth0]/", "http://[::1/",
        "http://[::ffff:169.254.169.254]/", "http://169.254.169.254/latest/meta-data",
        "http://user:password@historian.example.com/", "http://good.example.com@169.254.169.254/",
        "http://good.example.com\\@evil.example.com/", "ftp://historian.example.com/",
        "file:///etc/passwd", "gopher://x/", "//historian.example.com/", "historian.example.com",
        "http://", "http:///path", "http://a..b/", "http://-a.example.com/", "http://a b.com/",
        "http://a.example.com/\r\nX-Evil: 1", "http://\uff11\uff12\uff17.0.0.1/",
        "http://ⓔⓧample.com/", "http://%31%32%37.0.0.1/", "http://a.example.com:0/",
        "http://a.example.com:99999/", "http://" + "a" * 64 + ".com/", "http://a.com:80:80/",
    ],
)  # fmt: skip
def test_odd_urls_are_refused(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        GENEROUS.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://historian.example.com", "http://node-7.plant_2.local:3003/api",
        "https://1.1.1.1/x", "https://[2606:4700::1111]:3443/", "https://xn--nxasmq6b.example/",
        "https://historian.example.com./api", "http://historian/",
    ],
)  # fmt: skip
def test_plain_urls_pass(url: str) -> None:
    Guard().check_url(url)


@given(st.text())
def test_whatever_the_url_the_answer_is_a_verdict(text: str) -> None:
    for url in (text, f"http://{text}/", f"https://{text}"):
        try:
            parts = split_url(url)
        except ForbiddenAddress:
            continue
        assert parts.scheme in {"http", "https"}
        assert parts.hostname
        assert parts.hostname.isascii()


async def test_a_name_is_resolved_to_checked_addresses_alone() -> None:
    found = await GuardedResolver(Guard(allow_loopback=True)).resolve("localhost", 80)
    assert {result["host"] for result in found} <= {"127.0.0.1", "::1"}
    assert all(result["flags"] & socket.AI_NUMERICHOST for result in found)
    with pytest.raises(ForbiddenAddress, match="localhost resolves to"):
        await GuardedResolver(Guard()).resolve("localhost", 80)


async def test_a_name_that_nobody_knows_may_be_known_later() -> None:
    with pytest.raises(Unavailable, match="cannot be resolved"):
        await GuardedResolver(Guard()).resolve("no-such-historian.invalid", 80)
