"""Makes the files of one dataset from its raw pages; the same pages give the same bytes."""

from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from penstock.domain.datasets import Part, Recipe
from penstock.domain.errors import MalformedPayload
from penstock.domain.time import to_iso
from penstock.source_settings import SourceBody

from training_orchestrator.dataset_bodies import DatasetBody
from training_orchestrator.dataset_sql import literal, number_columns
from training_orchestrator.datasets_store import MANIFEST, dataset_prefix
from training_orchestrator.prepare_order import OUT, PrepareOrder, UnreadableData
from training_orchestrator.prepare_report import make_report
from training_orchestrator.prepare_rows import DatasetRows, make_rows
from training_orchestrator.prepare_samples import SampleLoader

REPORT = "report.json"
ROWS = "rows.parquet"
_ROWS_AT_ONCE = 20_000


def prepare_dataset(order: PrepareOrder, folder: Path) -> dict[str, object]:
    """Write every file below `out/`, and return the manifest; raise what makes it impossible."""
    body = DatasetBody.model_validate_json(order.recipe)
    recipe = body.to_domain()
    out = folder / OUT
    with _database(order, folder) as database:
        loader = SampleLoader(database)
        _load(loader, order, folder)
        loader.finish(recipe.tags, recipe.pull.since, recipe.pull.until)
        rows = make_rows(
            database, recipe, has_label=order.has_label, allows_missing=order.allows_missing
        )
        files = [_write_part(database, recipe, order, out, part) for part in Part]
        _write_rows(database, recipe, out)
        report = make_report(database, recipe, rows, loaded=loader.loaded)
    manifest = _manifest(order, body, recipe, rows, [name for name in files if name])
    _write_json(out / REPORT, report)
    _write_json(out / MANIFEST, manifest)
    return manifest


def _database(order: PrepareOrder, folder: Path) -> duckdb.DuckDBPyConnection:
    """A data base on disk, that spills there; one thread, so that sums have one order."""
    return duckdb.connect(
        str(folder / "work.duckdb"),
        config={
            "threads": 1,
            "memory_limit": f"{order.memory_mb}MB",
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )


def _load(loader: SampleLoader, order: PrepareOrder, folder: Path) -> None:
    source = SourceBody.model_validate_json(order.source)
    plugin, options = source.source_plugin, source.plugin_options()
    for page in order.pages:
        try:
            loader.add(plugin.decode((folder / page.file).read_bytes(), page.tags, options))
        except MalformedPayload as error:
            raise UnreadableData(
                f"{page.origin}: {error}; were the options of source {source.name} changed since"
                " it was pulled?"
            ) from error


def _write_part(
    database: duckdb.DuckDBPyConnection,
    recipe: Recipe,
    order: PrepareOrder,
    out: Path,
    part: Part,
) -> str | None:
    """CSV as algorithms read it: no header, the label first, a missing number left empty."""
    columns = number_columns(recipe.frame)
    if order.has_label:
        columns = ["label::INT", *columns]
    found = database.execute(f"SELECT count(*) FROM dataset WHERE split = '{part}'").fetchone()
    if not found or not found[0]:
        return None
    name = f"{part}/part-0.csv"
    (out / part).mkdir(parents=True, exist_ok=True)
    database.execute(
        f"COPY (SELECT {', '.join(columns)} FROM dataset WHERE split = '{part}' "
        f"ORDER BY event_time, asset) TO {literal(str(out / name))} (FORMAT csv, HEADER false)"
    )
    return name


def _write_rows(database: duckdb.DuckDBPyConnection, recipe: Recipe, out: Path) -> None:
    """Every kept row with its names, for people and for comparisons."""
    numbers = number_columns(recipe.frame)
    schema = pa.schema(
        [
            ("event_time", pa.timestamp("us", "UTC")),
            ("asset", pa.string()),
            *((name, pa.float64()) for name in recipe.frame.feature_names),
            ("label", pa.float64()),
            ("split", pa.string()),
        ]
    )
    columns = ["event_time", "asset", *numbers, "label::DOUBLE", "split"]
    found = database.sql(f"SELECT {', '.join(columns)} FROM dataset ORDER BY event_time, asset")
    with pq.ParquetWriter(out / ROWS, schema, compression="zstd") as writer:
        for batch in found.to_arrow_reader(_ROWS_AT_ONCE):
            arrays = [
                column.cast(kind.type) for column, kind in zip(batch.columns, schema, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def _manifest(
    order: PrepareOrder, body: DatasetBody, recipe: Recipe, rows: DatasetRows, files: list[str]
) -> dict[str, object]:
    prefix = dataset_prefix(order.dataset_id)
    train = rows.parts[Part.TRAIN]
    return {
        "dataset_id": order.dataset_id,
        "job_id": order.job_id,
        "source": recipe.pull.source,
        "frame": body.frame.model_dump(mode="json"),
        "features": list(recipe.frame.feature_names),
        "label": body.label.model_dump(mode="json") if body.label else None,
        "has_label": order.has_label,
        "split": {
            str(part): {"from": to_iso(held.since), "to": to_iso(held.until)}
            for part, held in rows.parts.items()
        },
        "counts": {str(part): held.rows for part, held in rows.parts.items()},
        "positives": {str(part): held.positives for part, held in rows.parts.items()},
        "dropped": dict(rows.dropped),
        "files": {name.partition("/")[0]: [f"{prefix}{name}"] for name in files},
        "rows_file": f"{prefix}{ROWS}",
        "report_file": f"{prefix}{REPORT}",
        "content_type": order.content_type,
        "seed": recipe.seed,
        "trained_to": to_iso(train.until),
    }


def _write_json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2))
