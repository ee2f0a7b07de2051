"""What each port promises, as checks that run over the memory and the real adapters alike."""

import asyncio

import pytest
from penstock.domain.errors import UnknownObject, VersionConflict
from penstock.ports import KeyValueStore, ObjectStore, Publisher, Receiver, Write
from penstock.resources import DEAD_LETTERS, GATEWAYS, JOBS, SLICES, STEPS


async def check_key_value_store(store: KeyValueStore) -> None:
    await _check_conditions(store)
    await _check_types_come_back(store)
    await _check_transactions(store)
    await _check_order(store)


async def _check_conditions(store: KeyValueStore) -> None:
    key = {"gateway_id": "gw-7"}
    assert await store.get(GATEWAYS.name, key) is None
    await store.write(Write(GATEWAYS.name, key, put={"version": 1}, absent=True))
    with pytest.raises(VersionConflict):
        await store.write(Write(GATEWAYS.name, key, put={"version": 1}, absent=True))
    changed = Write(GATEWAYS.name, key, set={"version": 2, "note": "x"}, require={"version": 1})
    assert await store.write(changed) == {"gateway_id": "gw-7", "version": 2, "note": "x"}
    with pytest.raises(VersionConflict):
        await store.write(changed)
    removed = await store.write(
        Write(GATEWAYS.name, key, set={"note": None}, add={"count": 5}, require={"gone": None})
    )
    assert removed == {"gateway_id": "gw-7", "version": 2, "count": 5}
    with pytest.raises(VersionConflict):
        await store.write(Write(GATEWAYS.name, {"gateway_id": "gw-8"}, set={"a": 1}, present=True))
    await store.write(Write(GATEWAYS.name, key, delete=True))
    assert await store.get(GATEWAYS.name, key) is None
    for order in ("b", "b", "c"):
        await store.write(Write(GATEWAYS.name, key, put={"o": order}, require_at_most={"o": order}))
    with pytest.raises(VersionConflict):
        await store.write(Write(GATEWAYS.name, key, put={"o": "b"}, require_at_most={"o": "b"}))
    assert await store.get(GATEWAYS.name, key) == {"gateway_id": "gw-7", "o": "c"}


async def _check_types_come_back(store: KeyValueStore) -> None:
    item: dict[str, object] = {
        "gateway_id": "types", "whole": 2**53, "real": 0.1, "yes": True, "text": "ü",
        "raw": b"\0\1",
        "list": [1, "a", 0.5, {"deep": [False]}], "map": {"k": {"n": 1}}, "empty": "",
    }  # fmt: skip
    await store.write(Write(GATEWAYS.name, {"gateway_id": "types"}, put={**item, "none": None}))
    assert await store.get(GATEWAYS.name, {"gateway_id": "types"}) == item


async def _check_transactions(store: KeyValueStore) -> None:
    job = {"job_id": "j1"}
    await store.write(Write(JOBS.name, job, put={"open": 2}))
    done = [
        Write(
            SLICES.name, {"job_run": "j1#1", "slice_id": "1"}, put={"state": "DONE"}, absent=True
        ),
        Write(JOBS.name, job, add={"open": -1}),
    ]
    await store.write_all(done)
    with pytest.raises(VersionConflict):
        await store.write_all(done)
    item = await store.get(JOBS.name, job)
    assert item is not None
    assert item["open"] == 1, "the refused transaction changed nothing"


async def _check_order(store: KeyValueStore) -> None:
    for event in ("b-2", "a-1", "b-1"):
        key = {"job_id": "j1", "event_id": event}
        await store.write(Write(STEPS.name, key, put={"n": 1}))
    events = [i["event_id"] async for i in store.query(STEPS.name, {"job_id": "j1"})]
    assert events == ["a-1", "b-1", "b-2"]
    newest = store.query(STEPS.name, {"job_id": "j1"}, sort_prefix="b", newest_first=True)
    assert [i["event_id"] async for i in newest] == ["b-2", "b-1"]
    for number, died_at in enumerate((30, 10, 20)):
        await store.write(
            Write(DEAD_LETTERS.name, {"id": f"d{number}"}, put={"queue": "q", "died_at": died_at})
        )
    by_queue = store.query(DEAD_LETTERS.name, {"queue": "q"}, index="by-queue")
    assert [i["died_at"] async for i in by_queue] == [10, 20, 30]
    assert len([i async for i in store.scan(DEAD_LETTERS.name)]) == 3


async def check_object_store(store: ObjectStore) -> None:
    with pytest.raises(UnknownObject):
        await store.get("a/1")
    await store.put("a/2", b"two", content_type="text/plain")
    await store.put("a/1", b"one")
    await store.put("a/1", b"one again")
    await store.put("b/1", b"other")
    assert await store.get("a/1") == b"one again"
    assert [(o.key, o.size) async for o in store.list("a/")] == [("a/1", 9), ("a/2", 3)]
    await store.delete("a/1")
    await store.delete("a/1")
    assert [o.key async for o in store.list("a/")] == ["a/2"]


async def check_queue(publisher: Publisher, receiver: Receiver, dead: Receiver | None) -> None:
    assert await receiver.receive(at_most=10, wait_seconds=0) == []
    outcomes = await publisher.publish([f"body {n}" for n in range(12)])
    assert all(outcome.is_durable for outcome in outcomes)
    receives: dict[str, int] = {}
    async with asyncio.timeout(60):
        while len(receives) < 12 or receives["body 0"] < 2:
            for delivery in await receiver.receive(at_most=10, wait_seconds=1):
                receives[delivery.body] = delivery.receive_count
                if delivery.body == "body 0" and delivery.receive_count == 1:
                    await delivery.extend(30)
                    await delivery.nack(0)
                elif delivery.body == "body 1" and dead is not None:
                    await delivery.dead_letter("no such frame")
                else:
                    await delivery.ack()
    assert await receiver.receive(at_most=10, wait_seconds=0) == []
    if dead is not None:
        (letter,) = await dead.receive(at_most=10, wait_seconds=20)
        assert letter.body == "body 1"
        await letter.ack()
