"""Stories of gateways at the door, over the whole application with memory outside."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from ingest_api.app import create_app
from ingest_api.group_commit import CommitSettings
from ingest_api.request_body import BodySettings
from ingest_api.settings import Settings
from penstock.channels.readings import CHANNEL
from penstock.domain.errors import Unavailable
from penstock.domain.readings import ReadingFlag
from penstock.runtime.traceparent import new_traceparent

from tests.fixtures.waiting import until
from tests.unit.ingest_api.door import GW, MS, assert_json, envelope, reading, running


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
        await until(lambda: door.acceptor.queued > 0)
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
