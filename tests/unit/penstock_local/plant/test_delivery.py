import pytest
from penstock_local.plant.delivery import Outbox, Outcome, Patience, judge_status
from penstock_local.plant.payloads import Payload, Sent
from penstock_local.plant.push_command import KeyHeader, gateway_of_key, key_headers
from penstock_local.plant.pushing import Outages


def payload(count: int) -> Payload:
    return Payload(b"{}", [Sent("/A/TEMP", n, 192, n) for n in range(count)])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED),
        (202, Outcome.DELIVERED),
        (400, Outcome.REFUSED),
        (401, Outcome.REFUSED),
        (301, Outcome.REFUSED),
        (413, Outcome.REFUSED),
        (408, Outcome.AGAIN),
        (429, Outcome.AGAIN),
        (500, Outcome.AGAIN),
        (503, Outcome.AGAIN),
        (None, Outcome.AGAIN),
    ],
)
def test_what_becomes_of_a_payload(status: int | None, outcome: Outcome) -> None:
    assert judge_status(status) is outcome


def test_waits_double_up_to_a_limit_unless_the_endpoint_names_one() -> None:
    patience = Patience(first_wait_seconds=1, longest_wait_seconds=5)
    assert [patience.wait_after(n, None) for n in (1, 2, 3, 4, 100)] == [1, 2, 4, 5, 5]
    assert patience.wait_after(1, 3) == 3
    assert patience.wait_after(1, 3600) == 5


def test_a_full_buffer_loses_its_oldest_payloads() -> None:
    outbox = Outbox(capacity=10)
    first, second, third = payload(4), payload(4), payload(4)
    assert outbox.put(first) == []
    assert outbox.put(second) == []
    assert outbox.put(third) == [first]
    assert outbox.readings == 8
    assert outbox.take() is second


def test_a_payload_larger_than_the_buffer_is_kept_until_the_next() -> None:
    outbox = Outbox(capacity=1)
    assert outbox.put(payload(4)) == []
    assert len(outbox.put(payload(1))) == 1


@pytest.mark.parametrize(
    ("elapsed", "wait"), [(0, 0), (7.9, 0), (8, 2), (9.5, 0.5), (10, 0), (18.5, 1.5)]
)
def test_the_line_is_down_at_the_end_of_every_round(elapsed: float, wait: float) -> None:
    assert Outages(every_seconds=10, down_seconds=2).wait_seconds(elapsed) == pytest.approx(wait)


def test_without_outages_the_line_is_up() -> None:
    assert Outages().wait_seconds(123.4) == 0


def test_a_key_names_its_gateway_and_goes_into_the_header_that_is_asked_for() -> None:
    assert gateway_of_key("psk_gw_7_secret") == "gw_7"
    assert gateway_of_key("") == "gw-1"
    assert key_headers("psk_a_b", KeyHeader.X_API_KEY) == {"X-API-Key": "psk_a_b"}
    assert key_headers("psk_a_b", KeyHeader.AUTHORIZATION) == {"Authorization": "Bearer psk_a_b"}
    assert key_headers("", KeyHeader.X_API_KEY) == {}
