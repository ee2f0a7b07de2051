"""One trace from a request at the door to its pack."""

import asyncio

from ingest_api.group_commit import CommitSettings
from ingest_api.settings import Settings
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from penstock.channels.readings import CHANNEL
from penstock.runtime.traceparent import new_traceparent, trace_id_of

from tests.spans import by_name, linked_traces, parent_of, trace_id
from tests.unit.ingest_api.door import envelope, reading, running

ALL = Settings(traces_ratio=1.0)


async def test_a_request_its_judgement_and_its_pack_are_one_trace() -> None:
    spans = InMemorySpanExporter()
    async with running(spans=spans, settings=ALL) as ingest:
        answer = await ingest.post(envelope(reading(), reading(value={})))
        (body, _rejects) = ingest.queue.bodies
    found = by_name(spans)
    request, judging, publishing = (
        found["POST /v1/readings"], found["judge readings"], found["publish readings"],
    )  # fmt: skip
    everything = spans.get_finished_spans()
    assert parent_of(judging, everything) is request
    assert parent_of(publishing, everything) is request
    assert request.attributes == {
        "http.route": "/v1/readings",
        "http.response.status_code": 200,
        "penstock.request_id": answer.json()["request_id"],
        "penstock.gateway_id": "gw-7",
        "penstock.accepted": 1,
        "penstock.rejected": 1,
    }
    assert trace_id_of(CHANNEL.decode(body).trace) == trace_id(request)


async def test_a_gateway_that_sends_a_traceparent_is_continued_and_its_wish_kept() -> None:
    spans = InMemorySpanExporter()
    async with running(spans=spans, settings=Settings(traces_ratio=0.0)) as ingest:
        wanted, unwanted = new_traceparent(is_sampled=True), new_traceparent()
        await ingest.post(envelope(reading()), traceparent=wanted)
        await ingest.post(envelope(reading()), traceparent=unwanted)
        await ingest.post(envelope(reading()))
        traces = [CHANNEL.decode(body).trace for body in ingest.queue.bodies]
    assert {trace_id(span) for span in spans.get_finished_spans()} == {trace_id_of(wanted)}
    assert trace_id_of(traces[0]) == trace_id_of(wanted)
    assert traces[1] == unwanted
    assert trace_id_of(traces[2]), "rows have a trace id even where nobody records"


async def test_requests_that_share_a_pack_and_its_publishing_name_each_other() -> None:
    spans = InMemorySpanExporter()
    settings = Settings(traces_ratio=1.0, commit=CommitSettings(linger_seconds=1))
    async with running(spans=spans, settings=settings) as ingest:
        await asyncio.gather(*(ingest.post(envelope(reading(ts=n))) for n in range(3)))
        assert len(ingest.queue.bodies) == 1
    everything = spans.get_finished_spans()
    (publishing,) = [span for span in everything if span.name == "publish readings"]
    requests = [span for span in everything if span.name == "POST /v1/readings"]
    others = {trace_id(span) for span in requests} - {trace_id(publishing)}
    assert len(others) == 2
    assert linked_traces(publishing) == others
    for request in requests:
        is_of_it = trace_id(request) == trace_id(publishing)
        assert linked_traces(request) == (set() if is_of_it else {trace_id(publishing)})


async def test_a_refused_request_is_recorded_and_is_no_fault_of_ours() -> None:
    spans = InMemorySpanExporter()
    async with running(spans=spans, settings=ALL) as ingest:
        await ingest.client.post("/v1/readings", content=b"{}")
    (request,) = spans.get_finished_spans()
    assert (request.attributes or {})["http.response.status_code"] == 401
    assert request.status.is_ok


async def test_a_pack_that_is_not_taken_fails_its_span_and_the_request() -> None:
    spans = InMemorySpanExporter()
    async with running(spans=spans, settings=ALL, on_publish=lambda _: "Throttled") as ingest:
        response = await ingest.post(envelope(reading()))
    assert response.status_code == 503
    found = by_name(spans)
    assert found["publish readings"].status.description == "Throttled"
    assert not found["POST /v1/readings"].status.is_ok
