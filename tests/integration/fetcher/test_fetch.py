import asyncio
import json
import time
from typing import Any

import pytest
from aiohttp import web
from penstock.channels.slices import CHANNEL
from penstock.domain.datasets import SliceState
from penstock.domain.jobs import JobStatus
from penstock.domain.time import to_iso
from penstock.source_settings import SourceStore

from tests.integration.fetcher.bench import EXPECTED, PAGED, SINCE, TAGS, UNTIL, no_fault, pulling
from tests.unit.training_orchestrator.factories import JOB_ID

N3URON: dict[str, Any] = {"plugin": "n3uron", "options": {}}


async def test_every_slice_comes_once_and_the_last_one_starts_the_training() -> None:
    async with pulling() as bench:
        await bench.begin()
        await bench.pull()
        await bench.assert_whole()
        assert list(bench.executions.payloads) == [f"{JOB_ID}-1"]
        assert {s.state for s in await bench.all_slices()} == {SliceState.DONE}
        assert len(bench.historian.requests) == 4


async def test_an_n3uron_node_is_asked_tag_by_tag() -> None:
    async with pulling(**N3URON) as bench:
        await bench.begin()
        await bench.pull()
        await bench.assert_whole()
        assert len(bench.historian.requests) == 4 * len(TAGS)


async def test_pages_become_slices_where_a_total_is_told() -> None:
    async with pulling(options={**PAGED, "paging": {**PAGED["paging"], "page_size": 40}}) as bench:
        await bench.begin()
        await bench.pull()
        await bench.assert_whole()
        states = [s.state for s in await bench.all_slices()]
        assert states.count(SliceState.SPLIT) == 4
        assert states.count(SliceState.DONE) == 4 * 4
        # The first page, which told the total, is not asked for twice.
        assert len(bench.historian.requests) == 4 * 4


async def test_a_failed_slice_is_retried_alone() -> None:
    async with pulling() as bench:
        failures = iter(range(3))

        async def fault(request: web.Request) -> web.Response | None:
            is_first = request.query["from"].startswith("2026-11-01T00:00")
            if is_first and next(failures, None) is not None:
                return web.Response(status=500, text="out of memory")
            return None

        bench.historian.fault = fault
        await bench.begin()
        await bench.pull()
        await bench.assert_whole()
        assert len(bench.historian.requests) == 4 + 3
        assert {s.slice.slice_id: s.attempts for s in await bench.all_slices()} == {
            "000000": 4, "000001": 1, "000002": 1, "000003": 1,
        }  # fmt: skip


async def test_a_slice_that_always_fails_ends_failed_and_so_does_the_job() -> None:
    async with pulling() as bench:

        async def fault(request: web.Request) -> web.Response | None:
            is_first = request.query["from"].startswith("2026-11-01T00:00")
            return web.Response(status=500, text="disk full") if is_first else None

        bench.historian.fault = fault
        await bench.begin()
        job = await bench.pull()
        assert job.status is JobStatus.FAILED
        assert "disk full (given up after 4 attempts)" in str(job.reason)
        assert "retry" in str(job.reason)
        failed = [s for s in await bench.all_slices() if s.state is SliceState.FAILED]
        assert [(s.slice.slice_id, s.attempts) for s in failed] == [("000000", 4)]

        bench.historian.fault = no_fault
        asked_before = len(bench.historian.requests)
        retried = await bench.jobs.next_run(job, dataset_ready=False)
        await bench.distributor.begin(retried)
        await bench.pull()
        await bench.assert_whole()
        assert len(bench.historian.requests) == asked_before + 1


@pytest.mark.parametrize(
    ("status", "headers", "sentence"),
    [
        (401, {}, "credential into the source's secret"),
        (403, {}, "may not read these tags"),
        (404, {}, "check base_url"),
        (400, {}, "check its options"),
        (302, {"Location": "http://169.254.169.254/latest/meta-data"}, "redirects to http://169"),
    ],
)
async def test_what_no_repeat_can_heal_fails_at_once_with_a_sentence(
    status: int, headers: dict[str, str], sentence: str
) -> None:
    async with pulling() as bench:

        async def fault(request: web.Request) -> web.Response:
            return web.Response(status=status, headers=headers)

        bench.historian.fault = fault
        await bench.begin()
        job = await bench.pull()
        assert job.status is JobStatus.FAILED
        assert sentence in str(job.reason)
        assert len(bench.historian.requests) == 4


async def test_a_source_at_a_forbidden_address_is_never_asked() -> None:
    async with pulling(base_url="http://169.254.169.254") as bench:
        await bench.begin()
        job = await bench.pull()
        assert "no source may reach it" in str(job.reason)
        assert {s.attempts for s in await bench.all_slices()} == {1}


async def test_a_source_that_was_deleted_fails_its_slices_by_name() -> None:
    async with pulling() as bench:
        await bench.begin()
        await SourceStore(bench.store).delete(bench.source.name)
        job = await bench.pull()
        assert "PUT /v1/sources/n3uron-site01" in str(job.reason)


async def test_429_slows_all_fetchers_and_is_no_attempt() -> None:
    async with pulling() as bench:
        refused_at: list[float] = []
        served_at: list[float] = []

        async def fault(request: web.Request) -> web.Response | None:
            if not refused_at:
                refused_at.append(time.monotonic())
                return web.Response(status=429, headers={"Retry-After": "2"})
            served_at.append(time.monotonic())
            return None

        bench.historian.fault = fault
        await bench.begin(window="1h")
        await bench.pull(fetchers=3)
        await bench.assert_whole()
        assert {s.attempts for s in await bench.all_slices()} == {1}
        # What was under way already may still come; nobody begins anew before its time.
        early = [at for at in served_at if at - refused_at[0] < 1.9]
        assert len(early) <= 12
        assert len(served_at) == 24


async def test_a_source_that_is_away_longer_than_the_queue_bears_is_waited_for() -> None:
    async with pulling() as bench:
        count = iter(range(6))

        async def fault(request: web.Request) -> web.Response | None:
            if next(count, None) is not None:
                return web.Response(status=503, headers={"Retry-After": "0"})
            return None

        bench.historian.fault = fault
        await bench.begin()
        for message in bench.queue._messages:
            message.receive_count = 15
        await bench.pull()
        await bench.assert_whole()
        assert bench.queue.dead_letters == []
        assert {s.attempts for s in await bench.all_slices()} == {1}


async def test_a_hung_slice_is_halved() -> None:
    async with pulling(timeout_s=2) as bench:
        done = asyncio.Event()

        async def fault(request: web.Request) -> None:
            if "T00:00" in request.query["from"] and "T06:00" in request.query["to"]:
                await done.wait()

        bench.historian.fault = fault
        await bench.begin()
        await bench.pull()
        done.set()
        await bench.assert_whole()
        states = {str(s.slice.slice_id): s.state for s in await bench.all_slices()}
        assert states["000000"] is SliceState.SPLIT
        assert states["000000.1"] is SliceState.DONE
        assert states["000000.2"] is SliceState.DONE


async def test_an_answer_too_large_is_asked_for_in_halves() -> None:
    async with pulling() as bench:

        async def fault(request: web.Request) -> web.Response | None:
            whole = bench.historian.page({**request.query, "page_size": "100000"})
            return web.Response(status=413) if whole["total"] > 50 else None

        bench.historian.fault = fault
        await bench.begin()
        await bench.pull()
        await bench.assert_whole()
        assert sum(s.state is SliceState.SPLIT for s in await bench.all_slices()) >= 4


async def test_the_response_limit_halves_too() -> None:
    async with pulling(max_response_bytes=4_000) as bench:
        await bench.begin()
        await bench.pull()
        await bench.assert_whole()


async def test_a_suspiciously_round_answer_is_halved_until_it_is_not() -> None:
    options = {**N3URON["options"], "suspicious_rows": 18}
    async with pulling(plugin="n3uron", options=options) as bench:
        cap = 18

        async def fault(request: web.Request) -> web.Response | None:
            found = bench.historian.history(request.query)
            return web.json_response({"data": found["data"][:cap]})

        bench.historian.fault = fault
        await bench.begin()
        await bench.pull()
        await bench.assert_whole()


async def test_a_truncated_page_is_fetched_again_and_never_taken_as_short() -> None:
    async with pulling() as bench:
        cut = iter(range(2))

        async def fault(request: web.Request) -> web.Response | None:
            found = bench.historian.page(request.query)
            way = next(cut, None)
            if way == 0:
                return web.Response(body=json.dumps(found).encode()[:-200])
            if way == 1:
                return web.json_response({**found, "records": found["records"][:-1]})
            return None

        bench.historian.fault = fault
        await bench.begin()
        await bench.pull(fetchers=1)
        await bench.assert_whole()


async def test_a_source_that_always_cuts_fails_instead_of_pretending() -> None:
    async with pulling() as bench:

        async def fault(request: web.Request) -> web.Response | None:
            found = bench.historian.page(request.query)
            return web.json_response({**found, "records": found["records"][:-1]})

        bench.historian.fault = fault
        await bench.begin()
        job = await bench.pull(hang_halvings=1)
        assert job.status is JobStatus.FAILED
        assert "records came of the" in str(job.reason)


async def test_cursor_pages_resume_from_those_on_s3() -> None:
    options = {
        "path": "/api/readings",
        "params": {"from": "{start}", "to": "{end}", "tags": "{tags}", "cursor": "{cursor}"},
        "records_path": "records",
        "paging": {"type": "cursor", "cursor_path": "next"},
    }
    async with pulling(options=options) as bench:
        asked: list[str] = []
        failing = {"6": 2}

        async def fault(request: web.Request) -> web.Response | None:
            cursor = request.query.get("cursor", "1")
            if failing.get(cursor, 0) and request.query["from"].startswith(to_iso(SINCE)[:13]):
                failing[cursor] -= 1
                return web.Response(status=500)
            asked.append(cursor)
            query = {**request.query, "page": cursor, "page_size": "20"}
            found = bench.historian.page(query)
            is_last = int(cursor) * 20 >= found["total"]
            return web.json_response({**found, "next": None if is_last else int(cursor) + 1})

        bench.historian.fault = fault
        await bench.begin()
        await bench.pull()
        await bench.assert_whole()
        assert {cursor: asked.count(cursor) for cursor in set(asked)} == {
            str(page): 4 for page in range(1, 9)
        }


async def test_a_redelivered_finished_slice_is_not_fetched_again() -> None:
    async with pulling() as bench:
        await bench.begin()
        bodies = list(bench.queue.bodies)
        await bench.pull()
        asked = len(bench.historian.requests)
        bench.executions.payloads.clear()  # as if the first fetcher died before starting it
        await bench.queue.publish(bodies)
        await bench.pull()
        assert len(bench.historian.requests) == asked
        assert list(bench.executions.payloads) == [f"{JOB_ID}-1"]
        await bench.assert_whole()


async def test_slices_of_a_stopped_job_are_let_go() -> None:
    async with pulling() as bench:
        await bench.begin()
        await bench.jobs.move(await bench.job(), JobStatus.STOPPED, reason="asked to")
        assert bench.queue.bodies

        async def is_empty() -> bool:
            return not bench.queue.bodies

        await bench.pull(until=is_empty)
        assert bench.historian.requests == []


async def test_the_concurrency_of_a_source_holds_over_all_fetchers() -> None:
    async with pulling(rate={"rps": 5_000, "concurrency": 1}) as bench:
        await bench.begin(window="2h")
        await bench.pull(fetchers=3)
        await bench.assert_whole()
        assert bench.historian.most_busy == 1


async def test_messages_name_what_is_fetched() -> None:
    async with pulling() as bench:
        await bench.begin()
        message = CHANNEL.decode(bench.queue.bodies[0])
        assert (message.since, message.tags) == (SINCE, TAGS)
        assert len(EXPECTED) == len(TAGS) * (UNTIL - SINCE) // (600 * 1_000_000)
