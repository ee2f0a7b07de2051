"""Stories of gateways at the door, over the whole application with memory outside."""

import asyncio
import gzip
import json
from base64 import b64encode
from typing import Any

import httpx
import pytest
from ingest_api.app import create_app
from ingest_api.group_commit import CommitSettings
from ingest_api.request_body import BodySettings
from ingest_api.settings import Settings
from penstock.adapters.memory import MemoryKeyValueStore
from penstock.channels.readings import CHANNEL
from penstock.domain.errors import StoreUnavailable, Unavailable
from penstock.domain.readings import ReadingFlag
from penstock.domain.time import HOUR, Micros
from penstock.ports import Write
from penstock.resources import GATEWAYS, IDEMPOTENCY
from penstock.runtime.telemetry import new_traceparent

from tests.unit.ingest_api.door import GW, MS, envelope, eventually, reading, running


def assert_json(response: httpx.Response) -> dict[str, Any]:
    """Every answer is JSON, names its request, redirects nowhere and does not tell the server."""
    assert response.headers["content-type"] == "application/json"
    assert "server" not in response.headers
    assert not response.is_redirect
    body = response.json()
    assert isinstance(body, dict)
    assert body["request_id"] == response.headers["x-request-id"]
    return body


async def test_readings_are_durable_when_the_answer_comes() -> None:
    async with running() as ingest:
        response = await ingest.post(envelope(reading(), reading(path="/B", value=False)))
        assert response.status_code == 200
        body = assert_json(response)
        assert {**body, "request_id": ""} == {
            "accepted": 2, "rejected_count": 0, "by_reason": {}, "rejected": [], "request_id": "",
        }  # fmt: skip
        assert [(r.gateway_id, r.tag, r.value) for r in ingest.readings] == [
            (GW, "/SITE01/P-101/TEMP", 71.5),
            (GW, "/B", False),
        ]


async def test_half_published_batch_answers_503_and_loses_nothing() -> None:
    """The topic takes one of two packs: the body is told to come again, and then all is there."""

    def refuse_second(body: str) -> str | None:
        bodies.append(body)
        return "InternalError" if len(bodies) == 2 else None

    bodies: list[str] = []
    async with running(on_publish=refuse_second) as ingest:
        body = envelope(*[reading(ts=MS - n, value=n * 1.37) for n in range(5_000)])
        refused = await ingest.post(body)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert_json(refused)
        again = await ingest.post(body)
        assert again.json()["accepted"] == 5_000
        identities = {(r.tag, r.at) for r in ingest.readings}
        assert len(identities) == 5_000


async def test_stop_drains_what_was_accepted() -> None:
    settings = Settings(commit=CommitSettings(linger_seconds=2))
    async with running(settings=settings) as ingest:
        waiting = asyncio.create_task(ingest.post(envelope(reading())))
        door = ingest.app.door
        assert door is not None
        await eventually(lambda: door.acceptor.queued > 0)
    # Leaving ended the lifespan: it flushed at once instead of lingering.
    assert (await waiting).status_code == 200
    assert len(ingest.readings) == 1


async def test_one_bad_reading_is_kept_in_quarantine_and_the_rest_goes_on() -> None:
    async with running() as ingest:
        bad = f'{{"path": "/A", "value": NaN, "ts": {MS}}}'
        response = await ingest.post(f'{{"values": [{bad}, {{"path": "/B", "value": 1}}]}}')
        answer = assert_json(response)
        assert response.status_code == 200
        assert (answer["accepted"], answer["rejected_count"]) == (1, 1)
        assert answer["by_reason"] == {"not_finite": 1}
        assert answer["rejected"] == [{"index": 0, "reason": "not_finite"}]
        (kept,) = ingest.rejects
        assert (kept.gateway_id, kept.request_id) == (GW, answer["request_id"])
        assert json.loads(kept.item) == {"path": "/A", "value": "NaN", "ts": MS}


@pytest.mark.parametrize(
    ("ts", "reason"),
    [(0, "time_too_old"), (MS + 366 * 86_400_000, "time_in_future"), ("soon", "time_malformed")],
)
async def test_a_clock_that_is_wrong_is_named(ts: object, reason: str) -> None:
    async with running() as ingest:
        answer = (await ingest.post(envelope(reading(ts=ts)))).json()
        assert answer["by_reason"] == {reason: 1}
        assert ingest.readings == []


async def test_rejects_that_cannot_be_kept_are_not_answered_well() -> None:
    async with running(on_publish=lambda _body: "InternalError") as ingest:
        assert (await ingest.post(envelope(reading(ts=0)))).status_code == 503


async def test_an_answer_lists_at_most_twenty_rejects() -> None:
    async with running() as ingest:
        answer = (await ingest.post(envelope(*[reading(value=[])] * 50))).json()
        assert (answer["rejected_count"], len(answer["rejected"])) == (50, 20)
        assert len(ingest.rejects) == 50


@pytest.mark.parametrize(
    ("body", "error", "reason"),
    [
        (b"", "MalformedPayload", "not_json"),
        (b"temp=71.5", "MalformedPayload", "not_json"),
        (b"[" * 100_000, "MalformedPayload", "not_json"),
        (b'{"hello": "world"}', "UnknownFormat", "unknown_format"),
        (b"[1, 2]", "UnknownFormat", "unknown_format"),
        (b"7", "UnknownFormat", "unknown_format"),
    ],
    ids=["empty", "text", "nesting", "object", "array", "number"],
)
async def test_a_body_that_is_not_understood_is_refused_and_kept(
    body: bytes, error: str, reason: str
) -> None:
    async with running() as ingest:
        response = await ingest.post(body)
        assert response.status_code == 400
        assert assert_json(response)["error"] == error
        (kept,) = ingest.rejects
        assert (kept.reason, kept.item) == (reason, body[:65_536].decode())
        again = await ingest.post(body)
        assert again.status_code == 400


async def test_a_body_that_is_not_understood_comes_again_where_it_could_not_be_kept() -> None:
    async with running(on_publish=lambda _body: "InternalError") as ingest:
        assert (await ingest.post(b"not json")).status_code == 503


async def test_methods_slashes_and_content_types_of_gateways_are_taken() -> None:
    async with running() as ingest:
        auth = {"authorization": f"Bearer {ingest.key}"}
        for method in ("POST", "PUT", "PATCH"):
            for kind in ("application/json", "text/plain; charset=utf-8", ""):
                response = await ingest.client.request(
                    method,
                    "/v1/readings/",
                    content=json.dumps(envelope(reading())),
                    headers={**auth, "content-type": kind},
                )
                assert response.status_code == 200
        for method in ("GET", "DELETE", "OPTIONS"):
            response = await ingest.client.request(method, "/v1/readings", headers=auth)
            assert response.status_code == 405
            assert response.headers["allow"] == "POST, PUT, PATCH"


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
        await eventually(lambda: gateways[GW,].get("last_bad_key_at") == ingest.clock.now())


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


async def test_a_sequence_names_its_model_and_travels_whole() -> None:
    async with running() as ingest:
        response = await ingest.post({"sensor": "s-1", "model": "rul", "data": [12, 71, 8]})
        assert response.json()["accepted"] == 1
        (sequence,) = ingest.sequences
        assert (sequence.sensor, sequence.model, sequence.data) == ("s-1", "rul", (12, 71, 8))
        assert (sequence.at, sequence.flags) == (sequence.accepted_at, ReadingFlag.ASSUMED_TIME)


async def test_a_forced_format_is_the_only_one_tried() -> None:
    async with running() as ingest:
        await ingest.change(format="n3uron_compact")
        assert (await ingest.post({"/A": [{"v": 1, "ts": MS}]})).status_code == 200
        refused = await ingest.post(envelope(reading()))
        assert refused.status_code == 400
        assert "n3uron_compact" in refused.json()["detail"]
        await ingest.change(format="telepathy")
        assert "telepathy" in (await ingest.post(envelope(reading()))).json()["detail"]


async def test_the_later_of_two_equal_readings_has_the_later_arrival() -> None:
    async with running() as ingest:
        for value in (1, 2):
            await ingest.post(envelope(reading(value=value)))
        first, second = ingest.readings
        assert second.accepted_at > first.accepted_at


async def test_a_gzip_body_is_opened() -> None:
    async with running() as ingest:
        packed = gzip.compress(json.dumps(envelope(reading())).encode())
        response = await ingest.post(packed, **{"content-encoding": "gzip"})
        assert response.json()["accepted"] == 1
        two = gzip.compress(b'{"readings": ') + gzip.compress(b"[]}")
        assert (await ingest.post(two, **{"content-encoding": "gzip"})).status_code == 200


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(b" " * 30_000_000), "gzip", 413),
        (gzip.compress(b"{}")[:-9], "gzip", 400),
        (b"plain", "gzip", 400),
        (b"", "gzip", 400),
        (b"{}", "br", 415),
    ],
    ids=["bomb", "cut short", "not gzip", "empty", "brotli"],
)
async def test_a_body_that_cannot_be_opened_is_refused(
    body: bytes, encoding: str, status: int
) -> None:
    async with running() as ingest:
        response = await ingest.post(body, **{"content-encoding": encoding})
        assert response.status_code == status
        assert_json(response)


async def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    async with running() as ingest:
        taken = 0

        async def twenty_megabytes() -> Any:
            nonlocal taken
            for _ in range(200):
                taken += 100_000
                yield b" " * 100_000

        declared = await ingest.post(b" " * 20_000_000)
        auth = {"authorization": f"Bearer {ingest.key}"}
        streamed = await ingest.client.post(
            "/v1/readings", content=twenty_megabytes(), headers=auth
        )
        assert (declared.status_code, streamed.status_code) == (413, 413)
        assert_json(streamed)
        assert taken <= 5_200_000


async def test_more_than_ten_thousand_items_are_refused_as_too_many() -> None:
    async with running() as ingest:
        response = await ingest.post({"/A": [{"v": 1}] * 10_001})
        assert response.status_code == 413
        assert assert_json(response)["error"] == "TooManyItems"


async def test_bodies_share_one_bound_of_memory() -> None:
    settings = Settings(bodies=BodySettings(most_held_bytes=10))
    async with running(settings=settings) as ingest:
        response = await ingest.post(envelope(reading()))
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"


async def test_a_body_that_never_ends_is_given_up() -> None:
    settings = Settings(bodies=BodySettings(arrival_seconds=0.01))
    async with running(settings=settings) as ingest:

        async def endless() -> Any:
            yield b"{"
            await asyncio.Event().wait()

        auth = {"authorization": f"Bearer {ingest.key}"}
        response = await ingest.client.post("/v1/readings", content=endless(), headers=auth)
        assert response.status_code == 408
        assert_json(response)


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


async def test_a_valid_trace_goes_on_in_the_pack() -> None:
    async with running() as ingest:
        trace = new_traceparent()
        await ingest.post(envelope(reading()), traceparent=trace)
        await ingest.post(envelope(reading()), traceparent="00-nonsense-01")
        traces = [CHANNEL.decode(body).trace for body in ingest.queue.bodies]
        assert traces[0] == trace
        assert len(traces[1]) == len(trace)


async def test_a_check_judges_and_publishes_nothing() -> None:
    async with running() as ingest:
        response = await ingest.client.post(
            "/v1/readings/check",
            json=[reading(), reading(value={}), {"sensor": "s", "model": "m", "data": [1, 2]}],
            headers={"x-api-key": ingest.key},
        )
        answer = assert_json(response)
        assert answer["formats"] == ["flat", "sequence"]
        assert answer["readings"] == [
            {"tag": "/SITE01/P-101/TEMP", "at": "2026-11-20T11:59:59.000000Z", "value": 71.5,
             "quality": "good"},
        ]  # fmt: skip
        assert [sequence["sensor"] for sequence in answer["sequences"]] == ["s"]
        assert answer["rejected"] == [{"index": 1, "reason": "value_type"}]
        assert "number" in answer["advice"]["value_type"]
        assert ingest.queue.bodies == []


async def test_a_check_refuses_like_the_door_itself() -> None:
    async with running() as ingest:
        response = await ingest.client.post(
            "/v1/readings/check", content=b"no", headers={"x-api-key": ingest.key}
        )
        assert response.status_code == 400
        assert ingest.queue.bodies == []


async def test_over_the_bound_of_waiting_readings_the_door_says_503_at_once() -> None:
    settings = Settings(commit=CommitSettings(max_queued=5))
    async with running(settings=settings) as ingest:
        response = await ingest.post(envelope(*[reading(ts=MS - n) for n in range(6)]))
        assert response.status_code == 503
        assert response.headers["retry-after"] == "2"
        assert (await ingest.post(envelope(reading()))).status_code == 200


async def test_the_door_is_ready_only_while_the_topic_answers() -> None:
    async def ping() -> None:
        if is_down:
            raise Unavailable("topic does not answer")

    is_down = False
    async with running(ping=ping) as ingest:
        assert (await ingest.client.get("/readyz")).status_code == 200
        is_down = True
        response = await ingest.client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["failed"] == {"topic": "topic does not answer"}


async def test_what_happened_is_counted() -> None:
    async with running() as ingest:
        await ingest.post(envelope(reading(), reading(ts=0), reading(quality=130, ts=MS)))
        await ingest.post(b"{")
        assert await ingest.metric("penstock_readings_accepted_total") == 2
        assert await ingest.metric("penstock_qualities_unknown_total") == 1
        for reason in ("time_too_old", "not_json"):
            line = f'penstock_readings_rejected_total{{reason="{reason}"}}'
            assert await ingest.metric(line) == 1
        for code in ("200", "400"):
            line = f'penstock_http_requests_total{{code="{code}",route="/v1/readings"}}'
            assert await ingest.metric(line) == 1


async def test_the_door_stands_in_the_openapi_document() -> None:
    app = create_app(Settings())
    document = app.api.openapi()
    assert set(document["paths"]["/v1/readings"]) == {"post", "put", "patch"}
    content = document["paths"]["/v1/readings"]["post"]["requestBody"]["content"]
    assert "n3uron_compact" in content["application/json"]["examples"]
    assert app.api.openapi() == document
