"""Relay bytes to a TCP or Unix socket: for protocols that are not HTTP, as PostgreSQL's."""

import asyncio
import contextlib
import logging

from penstock_local.faults.connections import reset
from penstock_local.faults.rules import FaultBook, RequestFacts
from penstock_local.faults.target import Target

logger = logging.getLogger(__name__)

CHUNK_BYTES = 65_536


class TcpRelay:
    """One target. The book is asked for each chunk that a caller sends."""

    def __init__(self, target: Target, book: FaultBook) -> None:
        self._target = target
        self._book = book
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self) -> None:
        """Nothing is kept between connections."""

    async def close(self) -> None:
        self.abort_connections()
        if self._connections:
            await asyncio.wait(list(self._connections))

    def factory(self) -> asyncio.Protocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._accept)

    def abort_connections(self) -> None:
        for task, writer in list(self._connections.items()):
            reset(writer.transport)
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._relay(reader, writer), name="tcp-relay")
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await self._connect()
        except OSError as error:
            logger.warning("target %s failed: %r", self._target, error)
            reset(writer.transport)
            return
        connection = _Connection(self._book)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(connection.pump_requests(reader, target_writer))
                pumps.create_task(connection.pump_answers(target_reader, writer))
        except* OSError:
            # One side is gone, by a fault or by itself: so is the other.
            reset(target_writer.transport)
            reset(writer.transport)
        finally:
            target_writer.close()
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._target.scheme == "unix":
            return await asyncio.open_unix_connection(self._target.path)
        return await asyncio.open_connection(self._target.host, self._target.port)


class _Connection:
    def __init__(self, book: FaultBook) -> None:
        self._book = book
        # Set by a drop `after`: the target has been asked, its answer must not arrive.
        self._answer_is_lost = False

    async def pump_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            verdict = self._book.judge(RequestFacts())
            await asyncio.sleep(verdict.delay_before + verdict.delay_after)
            if verdict.end is not None and verdict.end.kind == "drop":
                if verdict.end.when == "before":
                    raise ConnectionResetError("dropped by a fault")
                self._answer_is_lost = True
            writer.write(chunk)
            await writer.drain()
        _end_of_file(writer)

    async def pump_answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if self._answer_is_lost:
                raise ConnectionResetError("dropped by a fault")
            writer.write(chunk)
            await writer.drain()
        _end_of_file(writer)


def _end_of_file(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.write_eof()
