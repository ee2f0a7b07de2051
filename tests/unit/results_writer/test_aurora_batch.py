"""Rows on their way to Aurora: their bytes, their order, what supersedes what."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import replace

from penstock.domain.ids import AssetName, PackId, RunId
from penstock.domain.predictions import Prediction
from penstock.domain.time import Micros
from results_writer.aurora_batch import AuroraBatch
from results_writer.aurora_wire import COLUMNS, Key, identity_of, origin_fields, to_copy
from results_writer.batch import Batch
from results_writer.dimensions import Keys

from tests.factories import NOON, make_prediction

SINCE_2000 = 946_684_800_000_000
RUNS = {"live": 0, "replay:1": 7}


def make_batch(*predictions: Prediction) -> AuroraBatch:
    """Assets are numbered by their names."""
    packs = Batch.of(predictions).packs
    return AuroraBatch(
        packs,
        [
            [
                origin_fields(o, Keys(1, int(o.asset.split("-")[1]), RUNS[o.run], 3, 4))
                for o in pack.columns.origins
            ]
            for pack in packs
        ],
    )


def key_of(prediction: Prediction) -> Key:
    asset = int(prediction.asset.split("-")[1])
    return prediction.event_time, identity_of(1, asset, RUNS[prediction.run])


def fields_of(row: bytes) -> Iterator[bytes | None]:
    (count,), at = struct.unpack_from("!h", row), 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", row, at)
        at += 4
        yield None if length < 0 else row[at : at + length]
        at += max(length, 0)
    assert at == len(row)


def read(row: bytes) -> dict[str, object]:
    forms = {"event_time": "q", "received_at": "q", "predicted_at": "q", "revision": "q",
             "value": "d", "probability": "d", "threshold": "d",
             "kind": "h", "decision": "h", "quality": "h"}  # fmt: skip
    read: dict[str, object] = {}
    for name, field in zip(COLUMNS, fields_of(row), strict=True):
        if field is None or name in ("pack_id", "trace_id"):
            read[name] = field
        else:
            (read[name],) = struct.unpack(f"!{forms.get(name, 'i')}", field)
    return read


def in_order(batch: AuroraBatch) -> list[bytes]:
    return [batch.rows[position] for position in batch.newest]


def assets_of(rows: Iterable[bytes]) -> list[object]:
    return [read(row)["asset_id"] for row in rows]


def test_a_row_holds_every_column_in_postgresqls_own_form() -> None:
    (row,) = in_order(make_batch(make_prediction(run=RunId("replay:1"))))
    assert read(row) == {
        "event_time": NOON - SINCE_2000, "received_at": NOON + 50_000 - SINCE_2000,
        "predicted_at": NOON + 90_000 - SINCE_2000, "revision": 1,
        "value": 0.12, "probability": 0.12, "threshold": 0.7,
        "binding_id": 1, "asset_id": 101, "run_id": 7, "model_version_id": 3, "variant_id": 4,
        "kind": 1, "decision": 0, "quality": 0, "features_missing": 0, "flags": 0,
        "trace_id": bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736"),
        "pack_id": b"01kafzcf00pack00000000000a",
    }  # fmt: skip


def test_what_is_missing_is_null_in_its_row_alone() -> None:
    nothing = replace(make_prediction(probability=None), trace_id="no hex", threshold=None)
    rows = make_batch(make_prediction(asset="P-1"), nothing).in_haste()
    (missing,) = [read(row) for row in rows if read(row)["asset_id"] == 101]
    (full,) = [read(row) for row in rows if read(row)["asset_id"] == 1]
    absent = {"value", "probability", "threshold", "decision", "trace_id"}
    assert {name for name, held in missing.items() if held is None} == absent
    assert None not in full.values()


def test_rows_in_haste_go_by_time_whatever_came_first() -> None:
    later = make_prediction(asset="P-1", event_time=NOON + 300)
    batch = make_batch(later, make_prediction(asset="P-3"), make_prediction(asset="P-2"))
    assert assets_of(batch.in_haste())[2] == 1


def test_rows_in_order_go_by_identity_whatever_else_they_hold() -> None:
    rows = [
        replace(make_prediction(asset=f"P-{n}"), received_at=Micros(NOON - n)) for n in (2, 300, 1)
    ]
    assert assets_of(in_order(make_batch(*rows))) == [1, 2, 300]


def test_of_one_identity_only_the_greatest_precedence_is_a_row_in_order() -> None:
    old, new = make_prediction(revision=1), make_prediction(revision=2)
    other = replace(make_prediction(asset="P-102"), pack_id=PackId("z"))
    batch = make_batch(new, old, other, new)
    assert [read(row)["revision"] for row in in_order(batch)] == [2, 1]
    assert len(batch.in_haste()) == 4
    assert list(batch.superseded([], {})) == [1]


def test_what_aurora_holds_supersedes_what_is_smaller_and_not_its_equal() -> None:
    one, two = make_prediction(), make_prediction(asset="P-102")
    batch = make_batch(one, two)
    held = {key_of(one): one.precedence, key_of(two): replace(two, revision=2).precedence}
    assert list(batch.superseded([0, 1], held)) == [1]


def test_another_model_or_site_is_the_same_identity() -> None:
    one = make_prediction()
    moved = replace(one, site="SITE02", model_version="v2", threshold=0.5, revision=2)
    batch = make_batch(one, moved)
    assert len(in_order(batch)) == 1
    assert list(batch.superseded([], {})) == [0]


def test_a_copy_begins_and_ends_as_postgresql_wants_however_many_rows() -> None:
    batch = make_batch(
        *(replace(make_prediction(), asset=AssetName(f"P-{n}")) for n in range(1_100))
    )
    sent = list(to_copy(in_order(batch)))
    head, end = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
    assert b"".join(sent) == head + b"".join(in_order(batch)) + end
    assert max(map(len, sent)) < 128 * 1024
