"""Orders for the process that makes a dataset, from plain values."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from penstock.domain.time import MINUTE, Micros, parse_iso, to_iso
from penstock.source_settings import SourceBody
from training_orchestrator.dataset_bodies import DatasetBody
from training_orchestrator.prepare_order import OUT, PrepareOrder, RawPage

SINCE = parse_iso("2026-11-01T00:00:00Z")
SOURCE = SourceBody.model_validate(
    {
        "name": "historian",
        "plugin": "paged_json",
        "base_url": "https://historian.example.com",
        "options": {"path": "/api/readings"},
    }
)

Told = tuple[str, int, Any] | tuple[str, int, Any, str]
"""Tag's path, minute, value, and a quality where it is not good."""


def make_recipe(**parts: Any) -> DatasetBody:
    """A dataset of one pump over ten hours; parts replace its own top-level fields."""
    return DatasetBody.model_validate(
        {
            "source": "historian",
            "range": {"from": to_iso(SINCE), "to": "2026-11-01T10:00:00Z"},
            "assets": {"names": ["P-101"], "tag_pattern": "/S/{asset}/{tag}"},
            "frame": {
                "features": [
                    {"name": "temp", "tag": "TEMP"},
                    {"name": "temp_mean", "tag": "TEMP", "agg": "mean", "over": "5m"},
                ]
            },
            "label": {"tag": "FAILURE"},
            **parts,
        }
    )


def at(minute: float) -> Micros:
    return Micros(SINCE + round(minute * MINUTE))


def page_of(told: Iterable[Told]) -> bytes:
    records = [
        {"tag": tag, "time": to_iso(at(minute)), "value": value, "quality": (*rest, "good")[0]}
        for tag, minute, value, *rest in told
    ]
    return json.dumps(records).encode()


def ordinary(minutes: int = 600) -> list[Told]:
    """A reading of each tag every minute; every seventh minute fails."""
    return [
        reading
        for minute in range(minutes)
        for reading in (
            ("/S/P-101/TEMP", minute, 20 + minute % 7),
            ("/S/P-101/FAILURE", minute, int(minute % 7 == 6)),
        )
    ]


def make_order(
    folder: Path, recipe: DatasetBody, pages: Sequence[bytes], **parts: Any
) -> PrepareOrder:
    """Lay an order's raw pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = []
    for number, body in enumerate(pages):
        (folder / f"page-{number}").write_bytes(body)
        raw.append(RawPage(f"page-{number}", f"raw/{number}.json", ["/S/P-101/TEMP"]))
    order: dict[str, Any] = {
        "dataset_id": "ds_01kafzcf00000000000000000a",
        "job_id": "job-01kafzcf00000000000000000a",
        "recipe": recipe.model_dump_json(),
        "source": SOURCE.model_dump_json(),
        "has_label": True,
        "allows_missing": True,
        "content_type": "text/csv",
        "memory_mb": 256,
        "pages": raw,
        **parts,
    }
    return PrepareOrder(**order)


def csv_rows(folder: Path, part: str) -> list[list[str]]:
    """Rows of a part as text."""
    lines = (folder / OUT / part / "part-0.csv").read_text().splitlines()
    return [line.split(",") for line in lines]


def all_files(folder: Path) -> dict[str, bytes]:
    """Every file that was made."""
    out = folder / OUT
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
