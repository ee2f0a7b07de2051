"""Which identities of a batch Aurora has: asked with the bytes of their keys, probed one by one."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import itemgetter
from struct import Struct

from penstock.adapters import tables
from penstock.adapters.aurora import Connection
from penstock.domain.time import Micros, from_micros
from psycopg.adapt import Buffer, Dumper
from psycopg.postgres import types
from psycopg.pq import Format
from psycopg.rows import scalar_row

from results_writer.aurora_wire import Key, since_2000

_TIME_COLUMN, *_ID_COLUMNS = (column.name for column in tables.IDENTITY)
_WANTED = " AND ".join(
    f"kept.{name} = %(ids)s[asked.place * 3 + {part}]" for part, name in enumerate(_ID_COLUMNS, -2)
)
# The bounds leave few partitions; LIMIT keeps it a probe per identity, whatever is known of the
# sizes: a join would be taken to read whole days.
_LOOK = f"""
    SELECT asked.place - 1
    FROM unnest(%(times)s) WITH ORDINALITY AS asked (at, place)
    CROSS JOIN LATERAL (
        SELECT FROM {tables.predictions.name} AS kept
        WHERE kept.{_TIME_COLUMN} = asked.at AND {_WANTED}
            AND kept.{_TIME_COLUMN} BETWEEN %(since)s AND %(until)s
        LIMIT 1
    ) AS found
"""  # noqa: S608  # every name is a constant of ours

_TIME = Struct("!iq").pack
_ARRAY = Struct("!iiIii").pack


class _Times(bytes):
    """An array of times as PostgreSQL takes it in binary."""


class _Ids(bytes):
    """The same of integers."""


class _AsItIs(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> Buffer:
        return obj


class _TimesDumper(_AsItIs):
    oid = types["timestamptz"].array_oid


class _IdsDumper(_AsItIs):
    oid = types["int4"].array_oid


async def find_kept(connection: Connection, keys: Sequence[Key]) -> list[int]:
    """Answer the places, in order, of those `keys` that Aurora has; they are sorted by time."""
    times = map(_TIME, repeat(8), since_2000(map(itemgetter(0), keys)))
    values = {
        "times": _Times(_array(types["timestamptz"].oid, len(keys), times)),
        # The fields of three keys as they stand in a row: three elements of an array.
        "ids": _Ids(_array(types["int4"].oid, 3 * len(keys), map(itemgetter(1), keys))),
        "since": from_micros(Micros(keys[0][0])),
        "until": from_micros(Micros(keys[-1][0])),
    }
    async with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.adapters.register_dumper(_Times, _TimesDumper)
        cursor.adapters.register_dumper(_Ids, _IdsDumper)
        found = await cursor.execute(_LOOK.encode(), values)
        return sorted(await found.fetchall())


def _array(element: int, length: int, fields: Iterable[bytes]) -> bytes:
    return _ARRAY(1, 0, element, length, 1) + b"".join(fields)
