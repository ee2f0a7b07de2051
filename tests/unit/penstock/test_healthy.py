import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from penstock.runtime.healthy import answer_of, ports_for_all

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:8C35 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 41233 1
   1: 00000000:1F94 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 41289 1
   2: 0100007F:A2C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 41290 1
   3: 0300120A:1F94 0500120A:C350 01 00000000:00000000 00:00000000 00000000 10001        0 41300 1
"""


def test_a_port_for_all_is_told_from_the_engines_own_and_from_connections() -> None:
    assert ports_for_all(TABLE) == {8084}


def test_a_port_for_all_of_ipv6_counts_too() -> None:
    table = "head\n 0: " + "0" * 32 + ":12E8 " + "0" * 32 + ":0000 0A 0 0 0 0 0 0 0"
    assert ports_for_all(table) == {4840}


def test_nobody_listens() -> None:
    assert ports_for_all(TABLE.splitlines()[0]) == set()


@contextlib.asynccontextmanager
async def _answering(answer: bytes) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("status", [200, 404, 503])
async def test_the_status_is_what_was_answered(status: int) -> None:
    async with _answering(f"HTTP/1.1 {status} Whatever\r\n\r\n".encode()) as port:
        assert await asyncio.to_thread(answer_of, port, "/readyz") == status


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 none\r\n\r\n"])
async def test_whoever_speaks_no_http_is_not_healthy(answer: bytes) -> None:
    async with _answering(answer) as port:
        with pytest.raises(ValueError):  # noqa: PT011 - any text
            await asyncio.to_thread(answer_of, port, "/healthz")
