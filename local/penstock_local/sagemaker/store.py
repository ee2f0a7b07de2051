"""State on disk: what was answered with success is there after a restart or a kill -9."""

import fcntl
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from penstock_local.sagemaker.records import Endpoint, EndpointConfig, Model, TrainingJob


class Named(Protocol):
    @property
    def name(self) -> str: ...


R = TypeVar("R", bound=Named)


class StateInUseError(Exception):
    """Another server works on this state directory."""


class Table(Generic[R]):
    """All records of one kind: read from memory, written to SQLite before anyone is told.

    A commit in WAL mode only writes to the page cache (about 50 µs, less than a hop to a thread),
    so it may run on the event loop. It outlives the process, and all but the machine's power loss.
    """

    def __init__(self, connection: sqlite3.Connection, kind: str, record_type: type[R]) -> None:
        self._connection = connection
        self._kind = kind
        rows = connection.execute("SELECT document FROM records WHERE kind = ?", (kind,))
        records = (msgspec.json.decode(document, type=record_type) for (document,) in rows)
        self._records: dict[str, R] = {record.name: record for record in records}

    def get(self, name: str) -> R | None:
        return self._records.get(name)

    def all(self) -> list[R]:
        return list(self._records.values())

    def put(self, record: R) -> None:
        document = msgspec.json.encode(record)
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                (self._kind, record.name, document),
            )
        self._records[record.name] = record

    def delete(self, name: str) -> None:
        with self._connection:
            self._connection.execute(
                "DELETE FROM records WHERE kind = ? AND name = ?", (self._kind, name)
            )
        self._records.pop(name, None)


@dataclass(frozen=True, slots=True)
class Tables:
    jobs: Table[TrainingJob]
    models: Table[Model]
    configs: Table[EndpointConfig]
    endpoints: Table[Endpoint]


class Store:
    """Owns the state directory: its lock, its data base and its tables."""

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self._lock = (state_dir / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise StateInUseError(f"another server is using {state_dir}") from error
        self._connection = _open_database(state_dir / "state.db")
        self.tables = Tables(
            jobs=Table(self._connection, "training-job", TrainingJob),
            models=Table(self._connection, "model", Model),
            configs=Table(self._connection, "endpoint-config", EndpointConfig),
            endpoints=Table(self._connection, "endpoint", Endpoint),
        )

    def close(self) -> None:
        self._connection.close()
        self._lock.close()


def _open_database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS records "
        "(kind TEXT, name TEXT, document BLOB, PRIMARY KEY (kind, name)) WITHOUT ROWID"
    )
    return connection
