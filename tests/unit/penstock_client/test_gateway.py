import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from penstock_client.csv_rows import CsvRow
from penstock_client.errors import ApiError, Unreachable
from penstock_client.gateway import GatewaySender, Payload, compact_payload
from penstock_client.sending import Pace, SequenceOptions, send_readings, send_sequences

START = datetime(2026, 11, 1, tzinfo=UTC)
ROWS = [CsvRow(n, START + timedelta(seconds=n), {"TEMP": 70 + n, "NOTE": None}) for n in range(5)]


def sender_to(
    answer: Callable[[httpx.Request], httpx.Response],
    *,
    waits: list[float] | None = None,
    log: Path | None = None,
    patience_seconds: float = 60.0,
) -> GatewaySender:
    return GatewaySender(
        "http://127.0.0.1:1",
        "psk_gw-7_secret",
        log=log,
        wait=(waits if waits is not None else []).append,
        patience_seconds=patience_seconds,
        transport=httpx.MockTransport(answer),
    )


def accept_all(request: httpx.Request) -> httpx.Response:
    body = json.loads(request.content)
    items = body if isinstance(body, list) else [body]
    count = sum(len(v) for i in items for v in i.values() if isinstance(v, list))
    return httpx.Response(200, json={"accepted": count, "by_reason": {}})


def test_rows_travel_in_the_compact_shape() -> None:
    payload = compact_payload(ROWS[:2], "/SITE01/P-101/")
    body = payload.body
    assert isinstance(body, dict)
    assert body["/SITE01/P-101/TEMP"] == [
        {"v": 70, "q": 192, "ts": 1793491200000},
        {"v": 71, "q": 192, "ts": 1793491201000},
    ]
    assert body["/SITE01/P-101/NOTE"][0] == {"v": None, "q": 0, "ts": 1793491200000}
    assert payload.readings[1] == {
        "tag": "/SITE01/P-101/TEMP",
        "value": 71,
        "quality": 192,
        "at": "2026-11-01T00:00:01.000+00:00",
    }


def test_busy_answers_are_tried_again_after_what_they_ask_for() -> None:
    waits: list[float] = []
    answers = iter([
        httpx.Response(503, headers={"retry-after": "2"}),
        httpx.Response(429, headers={"retry-after": "7"}),
        httpx.Response(200, json={"accepted": 1, "by_reason": {}}),
    ])  # fmt: skip
    with sender_to(lambda _: next(answers), waits=waits) as sender:
        sender.send(Payload({"/A/B": [{"v": 1}]}, []))
    assert waits == [2.0, 7.0]
    assert (sender.totals.requests, sender.totals.retries) == (1, 2)


def test_a_broken_connection_is_tried_again() -> None:
    calls = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise httpx.ReadError("reset", request=request)
        return accept_all(request)

    with sender_to(answer) as sender:
        assert sender.send(Payload({"/A/B": [{"v": 1}]}, []))["accepted"] == 1


def test_patience_ends() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with sender_to(answer, patience_seconds=0) as sender, pytest.raises(Unreachable):
        sender.send(Payload({}, []))


def test_a_refusal_for_good_is_told_with_its_reason() -> None:
    refusal = httpx.Response(401, json={"error": "Unauthorized", "detail": "no such key"})
    with sender_to(lambda _: refusal) as sender, pytest.raises(ApiError, match="no such key"):
        sender.send(Payload({}, []))


def test_the_log_has_every_reading_that_was_answered(tmp_path: Path) -> None:
    log = tmp_path / "sent.jsonl"
    sent: list[int] = []
    with sender_to(accept_all, log=log) as sender:
        send_readings(ROWS, sender, prefix="/P", batch=2, pace=Pace(0), on_sent=sent.append)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sent == [2, 2, 1]
    readings = [r for line in lines for r in line["readings"] if r["tag"] == "/P/TEMP"]
    assert [r["value"] for r in readings] == [70, 71, 72, 73, 74]
    assert sender.totals.accepted == 10


def test_windows_slide_by_one_row_and_stand_at_their_last_time() -> None:
    bodies: list[list[dict[str, object]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        bodies.append(body if isinstance(body, list) else [body])
        return httpx.Response(200, json={"accepted": len(bodies[-1]), "by_reason": {}})

    options = SequenceOptions(column="TEMP", sensor="sensor-x", model="forest", window=3)
    with sender_to(answer) as sender:
        send_sequences(ROWS, sender, options=options, batch=2, pace=Pace(0), on_sent=lambda _: None)
    sequences = [sequence for body in bodies for sequence in body]
    assert [sequence["data"] for sequence in sequences] == [
        [70, 71, 72],
        [71, 72, 73],
        [72, 73, 74],
    ]
    assert sequences[0]["timestamp"] == 1793491202000
    assert sequences[0]["sensor"] == "sensor-x"


def test_the_pace_keeps_event_time_and_real_time_in_step() -> None:
    waits: list[float] = []
    pace = Pace(10.0, wait=waits.append)
    for row in ROWS:
        pace.hold(row)
    assert waits == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.05)
