"""A CSV file of one's own: the first rows are history to learn from, the last ones stream live."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock_client.csv_rows import CsvOptions, CsvRow, read_rows
from penstock_client.gateway import GatewaySender, SendTotals
from penstock_client.sending import Pace, send_readings

from penstock_local.checking.expected import RowBinding
from penstock_local.demo.plant_scenario import readings_api
from penstock_local.demo.scenario import Json, Live, OnSent, Scenario

SLICES = 25
START = datetime(2026, 1, 1, tzinfo=UTC)
"""Time of row 0 of a file without times."""
_MOST_CATEGORIES = 50


@dataclass(frozen=True, slots=True)
class CsvChoice:
    """What a person says of the file: the label's column, and what is no feature."""

    path: Path
    label: str
    time_column: str | None = None
    exclude: tuple[str, ...] = ()
    train_share: float = 0.8
    step: timedelta = timedelta(minutes=1)
    batch: int = 20


def csv_scenario(choice: CsvChoice) -> Scenario:
    """Make the scenario; raise ValueError naming what is wrong with file or columns."""
    if not choice.label:
        raise ValueError("name the column to learn: make demo DATA=<csv> LABEL=<column>")
    options = CsvOptions(
        prefix=f"/CSV/{asset_name(choice.path)}",
        time_column=choice.time_column,
        start=None if choice.time_column else START,
        step=choice.step,
    )
    rows = list(read_rows(choice.path, options))
    features = _features(choice, rows)
    first_live = round(len(rows) * choice.train_share)
    if not 0 < first_live < len(rows):
        raise ValueError(f"{choice.path}: {len(rows)} rows are too few to learn from and to send")
    return _scenario(choice, options, rows, features, first_live)


def asset_name(path: Path) -> str:
    """Name of the one asset that a file is."""
    kept = "".join(c if c.isalnum() else "-" for c in path.stem).strip("-")
    return (kept or "csv")[:40]


def _scenario(
    choice: CsvChoice,
    options: CsvOptions,
    rows: Sequence[CsvRow],
    features: list[Json],
    first_live: int,
) -> Scenario:
    asset = asset_name(choice.path)
    model = f"csv-{asset}".lower()
    split = rows[first_live].at
    live_options = replace(
        options, rows=(first_live, None), exclude=(*choice.exclude, choice.label)
    )

    def send(live: Live, on_sent: OnSent) -> SendTotals:
        base = live.url.removesuffix("/v1/readings")
        with GatewaySender(base, live.key, log=live.log) as sender:
            live_rows = read_rows(choice.path, live_options)
            send_readings(
                live_rows, sender, prefix=options.prefix, batch=choice.batch, pace=Pace(0),
                on_sent=on_sent,
            )  # fmt: skip
        return sender.totals

    labels = {round(row.at.timestamp() * 1e6): _label(row.values[choice.label]) for row in rows}
    return Scenario(
        name=choice.path.name,
        model=model,
        history=_history(choice, options),
        source_options=readings_api(f"/csv/{choice.path.name}"),
        prefix_by_asset={asset: options.prefix},
        asset_type=model,
        job=_job(choice, model, options.prefix, (rows[0].at, split), features),
        binding={"applies_to": {"asset_type": model}, "model": {"name": model}},
        checked=RowBinding(
            model,
            {asset: options.prefix},
            tuple(str(feature["tag"]) for feature in features),
            categories=tuple(
                (f["tag"], tuple(f["categories"])) for f in features if "categories" in f
            ),
        ),
        live_units=len(rows) - first_live,
        live_unit="rows",
        send=send,
        truth=lambda places: [labels.get(at) for _, at in places],
    )


def _history(choice: CsvChoice, options: CsvOptions) -> list[str]:
    arguments = ["--csv", str(choice.path.resolve().parent), "--asset-prefix", options.prefix]
    if options.start is not None:
        step = f"{options.step.total_seconds():g}"
        arguments += ["--start", options.start.isoformat(), "--step", step]
    return arguments


def _job(
    choice: CsvChoice,
    model: str,
    prefix: str,
    span: tuple[datetime, datetime],
    features: list[Json],
) -> Json:
    since, until = span
    window = math.ceil((until - since).total_seconds() / SLICES)
    return {
        "model": model,
        "dataset": {
            "source": "plant",
            "range": {"from": since.isoformat(), "to": until.isoformat()},
            "assets": {"prefix": prefix},
            "slicing": {"window": f"{window}s", "tags_per_request": 1_000, "page_size": 5_000},
            "frame": {"mode": "row", "features": features},
            "label": {"tag": choice.label},
            "split": {"train": 0.8, "validation": 0.1, "test": 0.1},
        },
        "train": {
            "algorithm": "xgboost",
            "hyperparameters": {"num_round": 100, "max_depth": 6, "eta": 0.1},
        },
        "evaluate": {"metric": "roc_auc"},
    }


def _features(choice: CsvChoice, rows: Sequence[CsvRow]) -> list[Json]:
    if not rows:
        raise ValueError(f"{choice.path} has no rows")
    columns = list(rows[0].values)
    if choice.label not in columns:
        raise ValueError(
            f"{choice.path} has no column {choice.label!r} to learn; it has {', '.join(columns)}"
        )
    unknown = sorted(set(choice.exclude) - set(columns))
    if unknown:
        raise ValueError(f"{choice.path} has no column {', '.join(unknown)} to leave out")
    kept = [c for c in columns if c != choice.label and c not in choice.exclude]
    return [_feature(column, rows, choice.path) for column in kept]


def _feature(column: str, rows: Sequence[CsvRow], path: Path) -> Json:
    texts = sorted({v for row in rows if isinstance(v := row.values[column], str)})
    if len(texts) > _MOST_CATEGORIES:
        raise ValueError(
            f"{path}: column {column!r} has {len(texts)} different texts; leave it out (EXCLUDE)"
        )
    feature: Json = {"name": column[:64], "tag": column}
    return feature | ({"categories": texts} if texts else {})


def _label(value: object) -> int | None:
    return None if value is None or isinstance(value, str) else int(bool(value))
