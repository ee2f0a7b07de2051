"""The admin API over the real stores, by its public doors."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from console.app import create_app
from console.settings import Settings
from penstock.adapters.archive import ReadingsArchive, open_pack
from penstock.adapters.aurora_tokens import AuroraSettings
from penstock.adapters.aws import aws_clients
from penstock.adapters.dynamodb import DynamoStore
from penstock.adapters.s3 import S3ObjectStore
from penstock.adapters.sqs import open_publisher
from penstock.channels.readings import rejects_message
from penstock.domain.ids import GatewayId
from penstock.domain.readings import Reject
from penstock.domain.time import HOUR, Micros, parse_iso, to_iso
from penstock.ports import Write
from penstock.resources import ARCHIVE, DISCOVERED_TAGS, LATEST, physical_name
from pydantic import SecretStr

from tests.fixtures.http import lifespan_of
from tests.fixtures.waiting import answered

ADMIN = {"authorization": "Bearer the-admin"}
VIEWER = {"authorization": "Bearer the-viewer"}
NOON = parse_iso("2026-11-20T12:00:00Z")
PUMP = {"site": "SITE01", "asset_type": "pump", "prefixes": ["/SITE01/P-101"]}
BINDING = {
    "applies_to": {"asset_type": "pump"},
    "model": {"name": "pump-failure"},
    "frame": {"features": [{"name": "temp", "tag": "TEMP"}]},
}


@pytest.fixture
async def console(name_prefix: str, aurora_dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        name_prefix=name_prefix,
        aurora=AuroraSettings(dsn=SecretStr(aurora_dsn)),
        api_tokens={"the-admin": "admin", "the-viewer": "viewer"},
        dead_letter_wait_seconds=1.0,
        drain_seconds=2.0,
    )
    app = create_app(settings)
    async with (
        lifespan_of(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client,
    ):
        yield client


async def test_no_route_but_health_answers_without_a_token(console: httpx.AsyncClient) -> None:
    paths = (await console.get("/openapi.json")).json()["paths"]
    for path, operations in paths.items():
        for method in operations:
            response = await console.request(method, path.replace("{", "").replace("}", ""))
            is_health = path in {"/healthz", "/readyz", "/metrics"}
            assert (response.status_code == 401) is not is_health, (method, path)
    assert (await console.get("/readyz")).json() == {"status": "ready", "failed": {}}


async def test_a_viewer_reads_and_changes_nothing(console: httpx.AsyncClient) -> None:
    assert (await console.get("/v1/assets", headers=VIEWER)).status_code == 200
    refused = await console.put("/v1/assets/P-101", json=PUMP, headers=VIEWER)
    assert refused.status_code == 403
    assert "admin" in refused.json()["detail"]


async def test_assets_are_written_under_their_names(console: httpx.AsyncClient) -> None:
    put = await console.put("/v1/assets/P-101", json=PUMP, headers=ADMIN)
    assert put.status_code == 200, put.text
    await console.put("/v1/assets/P-101", json=PUMP, headers=ADMIN)
    listed = (await console.get("/v1/assets?asset_type=pump", headers=VIEWER)).json()["items"]
    assert listed == [{"name": "P-101", **PUMP}]
    wrong = await console.put("/v1/assets/P-101", json={"name": "P-102", **PUMP}, headers=ADMIN)
    assert wrong.status_code == 422
    unknown = await console.put("/v1/assets/P-9", json={**PUMP, "sites": []}, headers=ADMIN)
    assert unknown.json()["detail"][0]["path"] == "body.sites"


async def test_an_asset_type_is_removed_once_no_asset_is_of_it(console: httpx.AsyncClient) -> None:
    await console.put("/v1/assets/P-101", json=PUMP, headers=ADMIN)
    refused = await console.delete("/v1/asset-types/pump", headers=ADMIN)
    assert refused.status_code == 409
    assert "P-101" in refused.json()["detail"]
    await console.delete("/v1/assets/P-101", headers=ADMIN)
    assert (await console.delete("/v1/asset-types/pump", headers=ADMIN)).status_code == 204
    assert (await console.get("/v1/asset-types", headers=VIEWER)).json()["items"] == []
    assert (await console.delete("/v1/asset-types/pump", headers=ADMIN)).status_code == 204
    assert (await console.delete("/v1/asset-types/pump", headers=VIEWER)).status_code == 403


async def test_what_is_removed_is_among_the_newest_and_the_discovered_no_more(
    console: httpx.AsyncClient, name_prefix: str
) -> None:
    await console.put("/v1/assets/P-101", json=PUMP, headers=ADMIN)
    await console.put("/v1/gateways/gw-7", json={}, headers=ADMIN)
    async with aws_clients("eu-west-1") as clients:
        store = DynamoStore(await clients.dynamodb(), name_prefix)
        for asset in ("P-101", "P-102"):
            key = {"asset": asset, "binding": "pump-failure"}
            await store.write(Write(LATEST.name, key, put={**key, "value": 0.5}))
        for gateway in ("gw-7", "gw-8"):
            key = {"gateway_id": gateway, "tag": "/X/T1"}
            await store.write(Write(DISCOVERED_TAGS.name, key, put=key))
    await console.delete("/v1/assets/P-101", headers=ADMIN)
    await console.delete("/v1/gateways/gw-7", headers=ADMIN)
    newest = (await console.get("/v1/predictions/latest", headers=VIEWER)).json()["items"]
    assert [item["asset"] for item in newest] == ["P-102"]
    tags = (await console.get("/v1/tags?discovered=true", headers=VIEWER)).json()["items"]
    assert [tag["gateway_id"] for tag in tags] == ["gw-8"]
    assert (await console.delete("/v1/gateways/gw-8", headers=ADMIN)).status_code == 404
    assert (await console.get("/v1/tags?discovered=true", headers=VIEWER)).json()["items"] == []


async def test_a_tag_is_given_to_a_known_asset_only(console: httpx.AsyncClient) -> None:
    await console.put("/v1/assets/P-101", json=PUMP, headers=ADMIN)
    tag = {"path": "/OLD/T1", "asset": "P-101", "name": "TEMP"}
    assert (await console.put("/v1/tags", json={"tags": [tag]}, headers=ADMIN)).status_code == 200
    refused = await console.put(
        "/v1/tags", json={"tags": [tag, {**tag, "asset": "P-7"}]}, headers=ADMIN
    )
    assert refused.status_code == 404
    listed = (await console.get("/v1/tags?asset=P-101", headers=VIEWER)).json()["items"]
    assert listed == [{"gateway_id": None, **tag}]


async def test_a_binding_is_edited_safely(console: httpx.AsyncClient) -> None:
    await console.put("/v1/assets/P-101", json=PUMP, headers=ADMIN)
    path = "/v1/bindings/pump-failure"
    dry = await console.put(f"{path}?dry_run=true", json=BINDING, headers=ADMIN)
    assert dry.json()["assets"] == ["P-101"]
    first = await console.put(path, json=BINDING, headers=ADMIN)
    assert first.json()["trigger"]["on"] == "any", "an answer shows every default"
    etag = first.headers["etag"]
    changed = {**BINDING, "grace": "2h"}
    edit = await console.put(path, json=changed, headers={**ADMIN, "if-match": etag})
    assert edit.status_code == 200
    stale = await console.put(path, json=BINDING, headers={**ADMIN, "if-match": etag})
    assert stale.status_code == 409
    paused = await console.post(f"{path}/pause", headers=ADMIN)
    assert (paused.json()["state"], paused.json()["grace"]) == ("paused", "2h")


async def test_a_frame_whose_state_would_be_huge_is_refused(console: httpx.AsyncClient) -> None:
    feature = {"name": "mean", "tag": "TEMP", "agg": "mean", "over": "7d"}
    body = {**BINDING, "frame": {"every": "1m", "features": [feature]}}
    refused = await console.put("/v1/bindings/huge", json=body, headers=ADMIN)
    assert refused.status_code == 422
    assert "KiB" in refused.json()["detail"]


async def test_a_gateway_key_is_shown_once(console: httpx.AsyncClient) -> None:
    await console.put("/v1/gateways/gw-7", json={"paths": ["/SITE01"]}, headers=ADMIN)
    key = (await console.post("/v1/gateways/gw-7/keys", headers=ADMIN)).json()
    assert key["key"].startswith("psk_gw-7_")
    shown = await console.get("/v1/gateways/gw-7", headers=ADMIN)
    assert key["key"] not in shown.text
    assert [k["key_id"] for k in shown.json()["keys"]] == [key["key_id"]]
    gone = await console.delete(f"/v1/gateways/gw-7/keys/{key['key_id']}", headers=ADMIN)
    assert gone.status_code == 204
    assert (await console.get("/v1/gateways/gw-7", headers=ADMIN)).json()["keys"] == []


async def test_a_dead_letter_is_drained_and_shown_with_its_reason(
    console: httpx.AsyncClient, name_prefix: str
) -> None:
    async with aws_clients("eu-west-1") as clients:
        dead = await open_publisher(await clients.sqs(), f"{name_prefix}-inference-dlq")
        await dead.dead_letter('{"version":1}', reason="UnknownEndpoint: no endpoint pump-9")

    async def listed() -> list[dict[str, str]]:
        found = (await console.get("/v1/dead-letters", headers=VIEWER)).json()["items"]
        return list(found)

    (letter,) = await answered(listed, "the dead letter is listed")
    assert letter["queue"] == "inference-dlq"
    whole = (await console.get(f"/v1/dead-letters/{letter['id']}", headers=VIEWER)).json()
    assert whole["body"] == '{"version":1}'
    assert whole["reason"] == "UnknownEndpoint: no endpoint pump-9"
    by_queue = await console.get("/v1/dead-letters?queue=inference-dlq", headers=VIEWER)
    assert len(by_queue.json()["items"]) == 1


async def test_quarantine_is_listed_by_day_and_shown_by_id(
    console: httpx.AsyncClient, name_prefix: str
) -> None:
    reject = Reject(GatewayId("gw-7"), "r1", 3, "not_finite", "{}", NOON)
    async with aws_clients("eu-west-1") as clients:
        store = S3ObjectStore(await clients.s3(), physical_name(name_prefix, ARCHIVE.name))
        for pack_id, at in (("p1", Micros(NOON - HOUR)), ("p2", NOON)):
            pack = rejects_message([reject] * 2, pack_id=pack_id, created_at=at)
            await ReadingsArchive(store).write([open_pack(pack)])
    listing = "/v1/quarantine?day=2026-11-20&limit=2"
    first = (await console.get(listing, headers=VIEWER)).json()
    assert [item["reason"] for item in first["items"]] == ["not_finite"] * 2
    second = (await console.get(f"{listing}&cursor={first['next']}", headers=VIEWER)).json()
    ids = {item["id"] for item in first["items"] + second["items"]}
    assert len(ids) == 4
    shown = await console.get(f"/v1/quarantine/{ids.pop()}", headers=VIEWER)
    assert (shown.json()["index"], shown.json()["accepted_at"]) == (3, to_iso(NOON))


async def test_the_audit_tells_in_order_who_changed_what(console: httpx.AsyncClient) -> None:
    begun = datetime.now(UTC)
    for name in ("gw-1", "gw-2", "gw-3"):
        await console.put(f"/v1/gateways/{name}", json={"paths": ["/S"]}, headers=ADMIN)

    pages = [page for day in days_since(begun) async for page in audit_of(console, day)]
    assert all(len(page) <= 2 for page in pages)
    changes = [change for page in pages for change in page]
    assert [change["subject"] for change in changes] == ["gw-1", "gw-2", "gw-3"]
    assert {change["role"] for change in changes} == {"admin"}
    assert (await console.get("/v1/audit?day=2026-01-01", headers=ADMIN)).json()["items"] == []


def days_since(begun: datetime) -> list[str]:
    """UTC days on which something may be that was done since: two around midnight."""
    return sorted({begun.date().isoformat(), datetime.now(UTC).date().isoformat()})


async def audit_of(console: httpx.AsyncClient, day: str) -> AsyncIterator[list[dict[str, str]]]:
    """The changes of a day, two at a time."""
    cursor = ""
    while True:
        told = await console.get(f"/v1/audit?limit=2&day={day}{cursor}", headers=ADMIN)
        yield told.json()["items"]
        if told.json()["next"] is None:
            return
        cursor = f"&cursor={told.json()['next']}"


async def test_only_an_admin_reads_the_audit(console: httpx.AsyncClient) -> None:
    assert (await console.get("/v1/audit", headers=VIEWER)).status_code == 403
