"""One POST can be followed to the rows of every sink under the trace id that the rows carry."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from penstock.channels.predictions import CHANNEL as PREDICTIONS
from penstock.runtime.traceparent import new_traceparent, trace_id_of
from penstock_local.demo.scenario import Json
from penstock_local.plant.layout import DEADBANDS

from tests.e2e.doors import PUMPS, SITE, Doors, now
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.usefixtures("jobs")

SINKS = [queue.name for queue in PREDICTIONS.queues]


def test_one_trace_leads_from_the_post_through_the_endpoint_into_all_sinks(
    doors: Doors, model: str
) -> None:
    trace = new_traceparent(is_sampled=True)
    asset = "P-traced"
    prefix = f"/{PUMPS.site_name}/{asset}"
    doors.penstock.assets.put(asset, {"site": SITE, "asset_type": model, "prefixes": [prefix]})

    def is_known() -> bool:
        # Of an earlier step, so that what follows is a frame of its own and no correction; and not
        # recorded, since work that two traces share goes on with the first that is.
        post(doors, scan(prefix, now() - timedelta(minutes=30)), trace=new_traceparent())
        return doors.predicted(asset)

    wait_until(is_known, "the worker knows the asset", seconds=60, every_seconds=0.5)

    answer = post(doors, scan(prefix, now()), trace=trace)

    assert answer.json()["accepted"] == len(DEADBANDS)
    wait_until(
        lambda: trace_id_of(trace) in traces_of_rows(doors, asset), "a row carries the trace id",
        seconds=60, every_seconds=0.3,
    )  # fmt: skip
    spans = spans_when_whole(doors, trace, f"ask penstock-{model}")
    request = spans["POST /v1/readings"]
    assert request["attributes"]["penstock.request_id"] == answer.json()["request_id"]
    assert request["parent_id"] == trace.split("-")[2]
    assert spans["publish readings"]["parent_id"] == request["span_id"]
    inference = spans["process inference"]
    assert (inference["service"], inference["parent_id"]) == (
        "inference-worker", spans["publish readings"]["span_id"],
    )  # fmt: skip
    asked = spans[f"ask penstock-{model}"]
    assert (asked["parent_id"], asked["error"]) == (inference["span_id"], None)
    assert asked["attributes"]["penstock.variant"].startswith("v")
    assert spans["publish predictions"]["parent_id"] == inference["span_id"]
    for sink in SINKS:
        delivery = spans[f"process {sink}"]
        assert delivery["service"] == "results-writer"
        assert delivery["parent_id"] == spans["publish predictions"]["span_id"]
        assert delivery["attributes"]["penstock.outcome"] == "acked"


def post(doors: Doors, body: Json, *, trace: str) -> httpx.Response:
    return doors.gateway.post("/v1/readings", json=body, headers={"traceparent": trace})


def scan(prefix: str, at: datetime) -> Json:
    """One reading of every tag of a pump."""
    items = [{"tag": f"{prefix}/{tag}", "value": 2.5, "at": at.isoformat()} for tag in DEADBANDS]
    return {"readings": items}


def traces_of_rows(doors: Doors, asset: str) -> set[str]:
    with psycopg.connect(doors.stack.endpoint("postgres")) as connection:
        rows = connection.execute(
            "SELECT encode(trace_id, 'hex') FROM v_predictions WHERE asset = %s", [asset]
        )
        return {str(trace_id) for (trace_id,) in rows}


def spans_when_whole(doors: Doors, trace: str, asked: str) -> dict[str, Any]:
    """Wait for every span: each process sends its own in its own time, the door perhaps last."""
    wanted = {
        "POST /v1/readings", "publish readings", "process inference", asked,
        "publish predictions", *(f"process {sink}" for sink in [*SINKS, "archive"]),
    }  # fmt: skip
    spans: dict[str, Any] = {}

    def missing() -> set[str]:
        spans.update(spans_of(doors, trace_id_of(trace)))
        return wanted - spans.keys()

    try:
        wait_until(lambda: not missing(), "every span", every_seconds=0.3)
    except AssertionError:
        pytest.fail(f"{missing()} did not come, but {sorted(spans)}")
    return spans


def spans_of(doors: Doors, trace_id: str) -> dict[str, Any]:
    """The spans of a trace by name, as the viewer tells them."""
    answer = httpx.get(f"{doors.stack.endpoint('traces')}/api/traces/{trace_id}")
    return {span["name"]: span for span in answer.json().get("spans", [])}
