"""Stories of keys, quotas and repeated requests at the door."""

from base64 import b64encode

import pytest
from ingest_api.settings import Settings
from penstock.adapters.memory import MemoryKeyValueStore
from penstock.domain.errors import StoreUnavailable
from penstock.domain.time import HOUR, Micros
from penstock.ports import Write
from penstock.resources import GATEWAYS, IDEMPOTENCY

from tests.fixtures.waiting import until
from tests.unit.ingest_api.door import GW, MS, assert_json, envelope, reading, running


def basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


async def test_a_key_comes_by_bearer_header_or_basic() -> None:
    async with running() as ingest:
        for headers in (
            {"authorization": f"Bearer {ingest.key}"},
            {"authorization": f"bearer  {ingest.key} "},
            {"x-api-key": ingest.key},
            {"authorization": basic("anybody", ingest.key)},
            {"authorization": basic(ingest.key, "")},
        ):
            response = await ingest.client.get("/v1/ping", headers=headers)
            assert response.status_code == 200
            assert assert_json(response)["gateway_id"] == GW


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer psk_gw-7_" + "0" * 64},
        {"authorization": "Bearer psk_other_" + "0" * 64},
        {"authorization": "Basic !!!"},
        {"authorization": basic("gw-7", "secret")},
        {"authorization": "Digest username=x"},
        {"x-api-key": "psk_gw-7_"},
        {"x-api-key": "\xff\xfe"},
    ],
)
async def test_a_wrong_key_opens_nothing(headers: dict[str, str]) -> None:
    async with running() as ingest:
        for method, path in (("POST", "/v1/readings"), ("GET", "/v1/ping")):
            raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            response = await ingest.client.request(
                method, path, json=envelope(reading()), headers=raw
            )
            assert response.status_code == 401
            assert_json(response)
            assert response.headers["www-authenticate"] == "Bearer"
        assert ingest.queue.bodies == []


async def test_a_wrong_key_is_told_of_its_gateway() -> None:
    settings = Settings(gateways={"refresh_seconds": 0.01})
    async with running(settings=settings) as ingest:
        wrong = {"authorization": f"Bearer psk_{GW}_{'0' * 64}"}
        await ingest.client.get("/v1/ping", headers=wrong)
        assert await ingest.metric(f'penstock_keys_refused_total{{gateway="{GW}"}}') == 1
        gateways = ingest.tables.items[GATEWAYS.name]
        await until(lambda: gateways[GW,].get("last_bad_key_at") == ingest.clock.now())


async def test_a_disabled_gateway_is_turned_away() -> None:
    async with running() as ingest:
        await ingest.change(enabled=False)
        response = await ingest.post(envelope(reading()))
        assert response.status_code == 403
        assert_json(response)


async def test_a_new_key_opens_at_once_and_a_revoked_one_no_more() -> None:
    async with running() as ingest:
        old = ingest.key
        issued = await ingest.gateways.rotate_key(GW, overlap=Micros(HOUR))
        ingest.key = issued.key.get_secret_value()
        assert (await ingest.post(envelope(reading()))).status_code == 200
        await ingest.gateways.revoke_key(GW, issued.key_id)
        await ingest.change()
        assert (await ingest.post(envelope(reading()))).status_code == 401
        ingest.key = old
        assert (await ingest.post(envelope(reading()))).status_code == 200
        ingest.clock.advance(seconds=3600)
        assert (await ingest.post(envelope(reading()))).status_code == 401


async def test_a_tag_outside_the_gateways_paths_is_refused_alone() -> None:
    async with running() as ingest:
        await ingest.change(paths=["/SITE01"])
        response = await ingest.post(envelope(reading(), reading(path="/SITE02/X")))
        assert response.status_code == 200
        assert response.json()["by_reason"] == {"path_not_allowed": 1}
        assert [kept.reason for kept in ingest.rejects] == ["path_not_allowed"]


async def test_a_body_of_nothing_but_foreign_tags_is_forbidden() -> None:
    async with running() as ingest:
        await ingest.change(paths=["/SITE02"], models=["other"])
        foreign = await ingest.post(envelope(reading(), reading()))
        assert foreign.status_code == 403
        assert assert_json(foreign)["by_reason"] == {"path_not_allowed": 2}
        sequence = {"sensor": "/SITE02/S", "model": "m", "data": [1]}
        assert (await ingest.post(sequence)).status_code == 403
        assert len(ingest.rejects) == 3


async def test_a_gateway_over_its_quota_waits_or_is_only_counted() -> None:
    async with running() as ingest:
        await ingest.change(quota={"readings_per_second": 2})
        body = envelope(*[reading(ts=MS - n) for n in range(50)])
        assert (await ingest.post(body)).status_code == 200  # into debt: bursts pass
        refused = await ingest.post(body)
        assert refused.status_code == 429
        assert 14 <= int(refused.headers["retry-after"]) <= 16
        assert_json(refused)
        await ingest.change(quota={"readings_per_second": 2}, on_over_quota="accept_and_alert")
        assert (await ingest.post(body)).status_code == 200
        assert (await ingest.post(body)).status_code == 200
        line = f'penstock_quota_exceeded_total{{gateway="{GW}",outcome="accepted"}}'
        assert await ingest.metric(line) == 1


async def test_bytes_count_against_the_quota_even_where_they_say_nothing() -> None:
    async with running() as ingest:
        await ingest.change(quota={"bytes_per_second": 10})
        assert (await ingest.post(b"x" * 1_000)).status_code == 400
        assert (await ingest.post(b"x" * 1_000)).status_code == 429


async def test_an_idempotency_key_gets_the_same_answer_for_the_same_body() -> None:
    async with running() as ingest:
        first = await ingest.post(envelope(reading()), **{"idempotency-key": "scan-1"})
        again = await ingest.post(envelope(reading()), **{"idempotency-key": "scan-1"})
        assert again.content == first.content
        assert len(ingest.readings) == 1
        other = await ingest.post(envelope(reading(value=2)), **{"idempotency-key": "scan-1"})
        assert other.json()["request_id"] != first.json()["request_id"]
        assert len(ingest.readings) == 2


async def test_an_idempotency_key_is_forgotten_after_a_day() -> None:
    async with running() as ingest:
        await ingest.post(envelope(reading()), **{"idempotency-key": "scan-1"})
        ingest.clock.advance(seconds=86_401)
        await ingest.post(envelope(reading()), **{"idempotency-key": "scan-1"})
        assert len(ingest.readings) == 2


async def test_without_its_table_an_idempotency_key_costs_nothing_but_itself() -> None:
    def refuse(write: Write) -> None:
        if write.table == IDEMPOTENCY.name:
            raise StoreUnavailable("no table")

    async with running(tables=MemoryKeyValueStore(on_write=refuse)) as ingest:
        for _ in range(2):
            response = await ingest.post(envelope(reading()), **{"idempotency-key": "scan-1"})
            assert response.status_code == 200


async def test_an_answer_of_503_is_not_kept() -> None:
    refusals = ["InternalError"]
    async with running(on_publish=lambda _b: refusals.pop() if refusals else None) as ingest:
        headers = {"idempotency-key": "scan-1"}
        assert (await ingest.post(envelope(reading()), **headers)).status_code == 503
        assert (await ingest.post(envelope(reading()), **headers)).status_code == 200
