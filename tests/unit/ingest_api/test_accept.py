"""Whatever arrives: it is accepted and durable, or refused by a word of the contract."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st
from ingest_api.accept import Acceptor, Arrival, TooManyItems
from ingest_api.gateway_directory import KnownGateway
from ingest_api.group_commit import CommitSettings, GroupCommit
from ingest_api.judge import Judged
from ingest_api.metrics import TalliedMetrics
from ingest_api.packs import Packer
from ingest_api.quota import Quota
from ingest_api.recognise import Formats, discovered_formats
from ingest_api.rules import Rules
from penstock.adapters.memory import FakeClock, MemoryQueue, MemoryTopic
from penstock.domain.errors import MalformedPayload, UnknownFormat
from penstock.domain.time import Micros
from penstock.gateways import Gateway, GatewayBody

from tests.factories import NOON
from tests.properties import examples
from tests.unit.ingest_api.factories import readings_in, rejects_in, sequences_in

BODY = GatewayBody(gateway_id="gw-7")
GATEWAY = KnownGateway(
    Gateway(BODY, (), 1, Micros(0), Micros(0)), Rules(BODY), Quota(BODY.quota, share=1, now=0)
)
FORMATS = Formats(discovered_formats())

WORDS = st.sampled_from(
    ["tag", "path", "v", "value", "q", "ts", "readings", "data", "sensor", "/A", "\ud800"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=15,
)
# ensure_ascii=True writes lone surrogates as escapes; allow_nan writes NaN and Infinity.
BODIES = st.binary(max_size=40) | JSON.map(lambda document: json.dumps(document).encode())


@contextlib.asynccontextmanager
async def acceptor(queue: MemoryQueue) -> AsyncIterator[Acceptor]:
    clock = FakeClock(NOON)
    metrics = TalliedMetrics("test")
    settings = CommitSettings(linger_seconds=0)
    commit = GroupCommit(MemoryTopic(queue), Packer(clock), metrics, settings)
    task = asyncio.create_task(commit.run())
    try:
        yield Acceptor(FORMATS, commit, clock=clock, metrics=metrics)
    finally:
        commit.close()
        await task
        metrics.close()


async def accept(body: bytes, queue: MemoryQueue) -> Judged | None:
    async with acceptor(queue) as door:
        deadline = asyncio.get_running_loop().time() + 5
        try:
            judged, _ = await door.accept(Arrival(GATEWAY, body, "r-1"), deadline=deadline)
        except (MalformedPayload, UnknownFormat, TooManyItems):
            return None
        return judged


@examples(150)
@given(body=BODIES)
def test_any_body_is_durable_item_by_item_or_kept_whole(body: bytes) -> None:
    queue = MemoryQueue()
    judged = asyncio.run(accept(body, queue))
    rejects = rejects_in(queue.bodies)
    if judged is None:
        assert [reject.reason in ("not_json", "unknown_format") for reject in rejects] == [True]
        return
    assert len(rejects) == len(judged.refused)
    durable = len(readings_in(queue.bodies)) + len(sequences_in(queue.bodies))
    assert durable + judged.superseded == judged.accepted
