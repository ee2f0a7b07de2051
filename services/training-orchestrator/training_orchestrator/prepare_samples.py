"""Records of a source as the table `samples`: one row per asset, tag and time."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa
from penstock.domain.datasets import SourceTag
from penstock.domain.readings import as_number
from penstock.domain.time import Micros
from penstock.source import SourceRecord

_RAW = pa.schema(
    [
        ("path", pa.string()),
        ("sample_at", pa.int64()),
        ("number", pa.float64()),
        ("text", pa.string()),
        ("quality", pa.int8()),
        ("kind", pa.int8()),
    ]
)


class SampleLoader:
    """Fills `samples` of a data base from records, in whatever order they come."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        """Make the table of raw records."""
        self._database = database
        self._loaded = 0
        database.execute(
            "CREATE TABLE raw (path VARCHAR, sample_at BIGINT, number DOUBLE, text VARCHAR, "
            "quality TINYINT, kind TINYINT)"
        )

    @property
    def loaded(self) -> int:
        """Records so far, repeats included."""
        return self._loaded

    def add(self, records: Sequence[SourceRecord]) -> None:
        """Append the records of one page."""
        if not records:
            return
        paths, times, values, qualities = zip(*records, strict=True)
        columns = [
            pa.array(paths, pa.string()),
            pa.array(times, pa.int64()),
            pa.array(map(as_number, values), pa.float64()),
            pa.array([v if isinstance(v, str) else None for v in values], pa.string()),
            pa.array(map(int, qualities), pa.int8()),
            pa.array([_kind(value) for value in values], pa.int8()),
        ]
        page = pa.Table.from_arrays(columns, schema=_RAW)
        self._database.register("page", page)
        self._database.execute("INSERT INTO raw SELECT * FROM page")
        self._database.unregister("page")
        self._loaded += len(records)

    def finish(self, tags: Sequence[SourceTag], since: Micros, until: Micros) -> int:
        """Make `samples` of what lies in [since, until), and answer how many rows it has.

        Slices overlap a little and a source may tell a sample twice: of two at one time the one of
        greater `precedence` counts, as everywhere, so the order of the pages does not matter.
        """
        self._database.execute("CREATE TABLE tags (path VARCHAR, asset VARCHAR, tag VARCHAR)")
        self._database.executemany(
            "INSERT INTO tags VALUES (?, ?, ?)", [(t.path, t.asset, t.name) for t in tags]
        )
        self._database.execute(
            "CREATE TABLE samples AS SELECT asset, tag, sample_at, number, text, quality "
            "FROM raw JOIN tags USING (path) WHERE sample_at >= ? AND sample_at < ? "
            "QUALIFY row_number() OVER (PARTITION BY asset, tag, sample_at "
            "ORDER BY quality DESC, kind DESC, number DESC, text DESC) = 1",
            [since, until],
        )
        found = self._database.execute("SELECT count(*) FROM samples").fetchone()
        return int(found[0]) if found else 0


def _kind(value: object) -> int:
    if value is None:
        return 0
    return 2 if isinstance(value, str) else 1
