"""What the simulator says is what Penstock understands: its payloads and its history."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from ingest_api.document import parse_document
from ingest_api.payload_format import ParseContext
from ingest_api.recognise import Formats, discovered_formats
from penstock.domain.time import Micros
from penstock.source import SourceAnswer, SourcePlugin, SourceRecord, SourceSlice, Walk
from penstock.sources import n3uron, paged_json
from penstock_local.plant.feeds import AirQualityFeed, PlantFeed, SequenceFeed
from penstock_local.plant.history import PlantHistory
from penstock_local.plant.layout import Plant
from penstock_local.plant.payloads import Shape
from penstock_local.plant.server import ServerSettings, create_app

T0 = 1_767_225_600_000
PLANT = Plant(machines=2)
HISTORY = PlantHistory(PLANT, lambda: T0 + 86_400_000)
FORMATS = Formats(discovered_formats())


def paged(place: str, **paging: Any) -> dict[str, Any]:
    """Options of the paged API, its place in the pages told by the parameter `place`."""
    params = {"from": "{start}", "to": "{end}", "tags": "{tags}", "page_size": "{page_size}"}
    return {
        "path": "/api/readings",
        "records_path": "records",
        "params": params | {place: f"{{{place}}}"},
        "paging": {"type": place, "page_size": 100, **paging},
    }


@pytest.mark.parametrize("shape", ["compact", "verbose", "script"])
def test_every_payload_of_the_plant_is_understood(shape: Shape) -> None:
    for payload in PlantFeed(PLANT, PLANT.assets(), T0, "gw-7", shape).due(T0 + 5_000):
        parsed = FORMATS.parse(parse_document(payload.body), ParseContext("gw-7"))
        columns = zip(parsed.tags, parsed.values, parsed.qualities, parsed.times, strict=True)
        sent = [(r.tag, r.value, r.quality, r.at_ms) for r in payload.readings]
        assert sorted(columns) == sorted(sent)


def test_every_number_of_an_air_quality_station_is_understood() -> None:
    payload = AirQualityFeed(7, T0).due(T0 + 1)[0]
    parsed = FORMATS.parse(parse_document(payload.body), ParseContext("gw-7"))
    sent = [(r.tag, r.value, r.at_ms) for r in payload.readings]
    assert list(zip(parsed.tags, parsed.values, parsed.times, strict=True)) == sent


def test_a_sequence_is_understood() -> None:
    payload = SequenceFeed(7, T0, "serverlessendpoint").due(T0 + 1)[0]
    (found,) = FORMATS.parse(parse_document(payload.body), ParseContext("gw-7")).sequences
    body = json.loads(payload.body)
    assert (found.sensor, found.model, found.data, found.time) == (
        body["sensor"], body["model"], body["data"], body["timestamp"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (n3uron.SOURCE, {}),
        (paged_json.SOURCE, paged("page", total_path="total", pages_path="pages")),
        (paged_json.SOURCE, paged("cursor", cursor_path="next_cursor")),
    ],
)
async def test_the_whole_history_is_pulled(source: SourcePlugin, options: dict[str, Any]) -> None:
    tags = HISTORY.tags()[:6]
    found = await pull(source, options, tags, T0, T0 + 120_000)
    expected = [
        (part.tag, at * 1000, value)
        for part in HISTORY.read(tags, T0, T0 + 120_000)
        for at, value in zip(part.times.tolist(), part.values.tolist(), strict=True)
    ]
    inside = [r for r in found if T0 * 1000 <= r.at < (T0 + 120_000) * 1000]
    assert sorted((r.tag, r.at, r.value) for r in inside) == sorted(expected)


async def pull(
    source: SourcePlugin, options: dict[str, Any], tags: Sequence[str], since_ms: int, until_ms: int
) -> list[SourceRecord]:
    set_to = source.options.model_validate(options)
    slice_ = SourceSlice(Micros(since_ms * 1000), Micros(until_ms * 1000), tuple(tags))
    transport = httpx.ASGITransport(create_app(HISTORY, ServerSettings()))
    found: list[SourceRecord] = []
    walk = Walk()
    async with httpx.AsyncClient(transport=transport, base_url="http://plant") as client:
        while (asked := source.next_request(slice_, set_to, walk)) is not None:
            answer = await client.request(asked.method, asked.target, params=dict(asked.params))
            assert answer.status_code == 200, answer.text
            records = source.decode(answer.content, asked.tags, set_to)
            found += records
            walk = walk.after(SourceAnswer(asked, answer.content, len(records), {}))
    return found
