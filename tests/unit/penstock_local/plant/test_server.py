"""The history server's answers, asked without a network."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from penstock_local.faults.rules import Fault
from penstock_local.plant.csv_files import CsvReading
from penstock_local.plant.history import PlantHistory
from penstock_local.plant.layout import Plant
from penstock_local.plant.n3uron_shapes import Shape
from penstock_local.plant.samples import parse_time
from penstock_local.plant.server import ServerSettings, create_app

NOW = parse_time("2026-01-02T00:00:00Z")
TEMP = "/SITE01/LINE01/P-101/TEMP"
SPEED = "/SITE01/LINE01/P-102/SPEED"
MINUTE = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z"}
WINDOW = {"from": MINUTE["start"], "to": MINUTE["end"]}


def ask(settings: ServerSettings | None = None, **headers: str) -> httpx.AsyncClient:
    history = PlantHistory(Plant(machines=2), lambda: NOW)
    app = create_app(history, settings or ServerSettings())
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://plant", headers=headers)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with ask() as client:
        yield client


async def json_of(client: httpx.AsyncClient, route: str, /, **params: str) -> Any:
    answer = await client.get(route, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_read_gives_the_last_value_up_to_now(client: httpx.AsyncClient) -> None:
    last = (await json_of(client, "/tag", cmd="read", path=TEMP))["data"]
    assert set(last) == {"value", "quality", "ts"}
    assert NOW - 62_000 <= last["ts"] < NOW


async def test_browse_walks_down_to_the_tags(client: httpx.AsyncClient) -> None:
    (site,) = (await json_of(client, "/tag", cmd="browse", path="/"))["data"]
    assert site == {"name": "SITE01", "path": "/SITE01", "type": "folder"}
    found = (await json_of(client, "/tag", cmd="browse", path="/SITE01/LINE01/P-101"))["data"]
    assert {"name": "TEMP", "path": TEMP, "type": "tag"} in found
    missing = await client.get("/tag", params={"cmd": "browse", "path": "/SITE09"})
    assert missing.status_code == 404


async def test_history_is_what_the_plant_recorded(client: httpx.AsyncClient) -> None:
    found = await json_of(
        client, "/tag", cmd="history", path=TEMP, **MINUTE, **{"options.mode": "raw"}
    )
    start = parse_time(MINUTE["start"])
    assert len(found["data"]) > 10
    assert all(start <= event["ts"] < start + 60_000 for event in found["data"])


async def test_post_with_json_is_the_twin_of_get(client: httpx.AsyncClient) -> None:
    by_get = await json_of(client, "/tag", cmd="history", path=TEMP, **MINUTE)
    body = {"cmd": "history", "path": TEMP, **MINUTE, "options": {"mode": "raw"}}
    assert (await client.post("/tag", json=body)).json() == by_get
    body = {"cmd": "historyMany", "paths": [TEMP, SPEED], **MINUTE}
    assert list((await client.post("/tag", json=body)).json()["data"]) == [TEMP, SPEED]
    assert (await client.post("/tag", content=b"[]")).status_code == 400
    assert (await client.post("/tag", content=b"{")).status_code == 400


@pytest.mark.parametrize("shape", ["wrapped", "bare", "compact", "listed"])
async def test_every_shape_of_history_holds_the_same(shape: Shape) -> None:
    def events(found: Any) -> list[tuple[Any, Any, Any]]:
        while not (isinstance(found, list) and "ts" in found[0]):
            found = found[0] if isinstance(found, list) else found.get("data") or found[TEMP]
        return [
            (event["ts"], event.get("value", event.get("v")), event.get("quality", event.get("q")))
            for event in found
        ]

    async with ask() as plain, ask(ServerSettings(shape=shape)) as shaped:
        params = {"cmd": "history", "path": TEMP, **MINUTE}
        expected = events(await json_of(plain, "/tag", **params))
        assert events(await json_of(shaped, "/tag", **params)) == expected
        many = {"cmd": "historyMany", "paths": f"{TEMP},{SPEED}", **MINUTE}
        assert events(await json_of(shaped, "/tag", **many)) == expected


async def test_a_row_cap_ends_the_history_silently() -> None:
    async with ask(ServerSettings(row_cap=5)) as client:
        found = await json_of(client, "/tag", cmd="history", path=TEMP, **MINUTE)
        assert len(found["data"]) == 5


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/tag", {}, 400),
        ("/tag", {"cmd": "paint"}, 400),
        ("/tag", {"cmd": "history", "path": TEMP}, 400),
        ("/tag", {"cmd": "history", "path": TEMP, **MINUTE, "end": "soon"}, 400),
        ("/tag", {"cmd": "history", "path": TEMP, **MINUTE, "options.mode": "delta"}, 400),
        ("/tag", {"cmd": "history", "path": "/X", **MINUTE}, 404),
        ("/tag", {"cmd": "historyMany", "paths": f"{TEMP},/X", **MINUTE}, 404),
        ("/tag", {"cmd": "read", "path": "/X"}, 404),
        ("/api/readings", {}, 400),
        ("/api/readings", {**WINDOW, "tags": "/X"}, 404),
        ("/api/readings", {**WINDOW, "page": "0"}, 400),
        ("/api/readings", {**WINDOW, "page_size": "1000000"}, 400),
        ("/api/readings", {**WINDOW, "cursor": "x"}, 400),
        ("/api/readings", {"from": "1900-01-01", "to": "2026-01-01"}, 413),
        ("/csv/none.csv", {}, 404),
        ("/elsewhere", {}, 404),
    ],
)
async def test_a_wrong_question_is_told(
    client: httpx.AsyncClient, path: str, params: dict[str, str], status: int
) -> None:
    assert (await client.get(path, params=params)).status_code == status


async def test_the_token_is_asked_for() -> None:
    settings = ServerSettings(token="t0ken")
    for path in ("/tag?cmd=browse", "/api/readings", "/csv", "/_penstock/failures"):
        async with ask(settings) as client, ask(settings, Authorization="Bearer t0ken") as known:
            assert (await client.get(path)).status_code == 401
            assert (await known.get(path)).status_code != 401


async def test_pages_agree_with_the_history(client: httpx.AsyncClient) -> None:
    page = await json_of(client, "/api/readings", **WINDOW, tags=TEMP, page_size="10")
    assert page["page"] == 1
    assert page["pages"] == -(-page["total"] // 10)
    found = []
    for number in range(1, page["pages"] + 1):
        params = {**WINDOW, "tags": TEMP, "page_size": "10", "page": str(number)}
        found += (await json_of(client, "/api/readings", **params))["records"]
    history = await json_of(client, "/tag", cmd="history", path=TEMP, **MINUTE)
    assert [(r["tag"], parse_time(r["time"]), r["value"], r["quality"]) for r in found] == [
        (TEMP, event["ts"], event["value"], event["quality"]) for event in history["data"]
    ]


async def test_a_cursor_walks_the_same_records(client: httpx.AsyncClient) -> None:
    whole = await json_of(client, "/api/readings", **WINDOW, page_size="10000")
    found: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await json_of(client, "/api/readings", **WINDOW, page_size="100", cursor=cursor)
        found, cursor = found + page["records"], page["next_cursor"]
    assert found == whole["records"]
    first = await json_of(client, "/api/readings", **WINDOW, page_size="100")
    follow = {**WINDOW, "page_size": "100", "cursor": first["next_cursor"]}
    second = await json_of(client, "/api/readings", **follow)
    assert first["records"] + second["records"] == found[:200]
    assert len({record["tag"] for record in found}) == 12


async def test_csv_files_are_paged_with_the_same_records(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "ai4i.csv").write_text("\ufeffType,Torque [Nm]\nM,1.5\nL,2\n")
    (tmp_path.parent / "secret.csv").write_text("a\n1\n")
    reading = CsvReading(parse_time("2026-01-01"), 60_000)
    async with ask(ServerSettings(csv_folder=tmp_path, csv_reading=reading)) as client:
        assert await json_of(client, "/csv") == {"files": ["deep/ai4i.csv"]}
        page = await json_of(client, "/csv/deep/ai4i.csv", page="2", page_size="3")
        assert (page["total"], page["pages"]) == (4, 2)
        assert page["records"] == [
            {
                "tag": "/AI4I/Torque [Nm]",
                "time": "2026-01-01T00:01:00.000Z",
                "value": 2,
                "quality": 192,
            }
        ]
        part = {"from": "2026-01-01T00:01:00Z", "to": "2026-01-01T00:02:00Z", "tags": "/AI4I/Type"}
        found = await json_of(client, "/csv/deep/ai4i.csv", **part)
        assert [record["value"] for record in found["records"]] == ["L"]
        assert (await client.get("/csv/%2e%2e/secret.csv")).status_code == 404
        unknown = await client.get("/csv/deep/ai4i.csv", params={"tags": "/AI4I/X"})
        assert unknown.status_code == 404
        (tmp_path / "odd.csv").write_text("time,a\nnever,1\n")
        assert (await client.get("/csv/odd.csv")).status_code == 422


async def test_failures_tell_what_really_happened(client: httpx.AsyncClient) -> None:
    span = {"from": "2026-01-01", "to": "2026-03-01"}
    found = (await json_of(client, "/_penstock/failures", **span))["failures"]
    assert {failure["asset"] for failure in found} == {"P-101", "P-102"}
    assert [failure["at"] for failure in found] == sorted(failure["at"] for failure in found)


async def test_faults_are_set_counted_and_cleared(client: httpx.AsyncClient) -> None:
    faults = "/_penstock/faults"
    params = {**WINDOW, "tags": TEMP}
    whole = await json_of(client, "/api/readings", **params)
    set_to = [
        {"kind": "throttle", "count": 1, "retry_after": 3},
        {"kind": "error", "count": 1, "path": "/api/"},
        {"kind": "wrong_total", "count": 1},
        {"kind": "truncate", "count": 1},
        {"kind": "delay", "count": 1, "seconds": 0.01},
    ]
    assert (await client.put(faults, json=set_to)).json()["faults"] == set_to
    throttled = await client.get("/api/readings", params=params)
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "3")
    assert (await client.get("/api/readings", params=params)).status_code == 500
    wrong = await json_of(client, "/api/readings", **params)
    assert wrong["total"] > whole["total"]
    assert wrong["records"] == whole["records"]
    half = await client.get("/api/readings", params=params)
    assert half.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        half.json()
    assert await json_of(client, "/api/readings", **params) == whole
    assert (await json_of(client, faults))["hits"] == {
        "throttle": 1, "error": 1, "wrong_total": 1, "truncate": 1, "delay": 1
    }  # fmt: skip
    await client.put(faults, json=[{"kind": "error"}])
    assert (await client.delete(faults)).json()["faults"] == []
    assert await json_of(client, "/api/readings", **params) == whole


async def test_faults_of_a_proxy_are_refused(client: httpx.AsyncClient) -> None:
    for wrong in ('[{"kind": "refuse"}]', '[{"kind": "explode"}]', "{}"):
        assert (await client.put("/_penstock/faults", content=wrong)).status_code == 422
    with pytest.raises(ValueError, match="refuse"):
        ask(ServerSettings(faults=[Fault(kind="refuse")]))
