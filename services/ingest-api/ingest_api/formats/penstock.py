"""Our own envelope: `{"readings": [{"tag", "value", "quality", "at"}]}`, and its near relatives."""

from typing import Any

from ingest_api.columns import TIME_KEYS, columns_of, enveloped
from ingest_api.document import Mark
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, Sample


def recognises(document: Any) -> bool:
    """Whether it has a list of readings that name their tags."""
    return enveloped(document) is not None


def parse(document: Any, _context: ParseContext) -> Parsed:
    """Read the readings; a time beside them is that of every reading without one."""
    parsed = columns_of(enveloped(document) or [])
    parsed.batch_time = next(
        (document[key] for key in TIME_KEYS if document.get(key) is not None), Mark.MISSING
    )
    return parsed


FORMAT = PayloadFormat(
    name="penstock",
    order=80,
    recognises=recognises,
    parse=parse,
    samples=(
        Sample(
            '{"readings": [{"tag": "/SITE01/P-101/TEMP", "value": 71.2, "quality": "good",'
            ' "at": "2026-11-20T10:00:00.250Z"},'
            ' {"tag": "/SITE01/P-101/STATE", "value": null, "quality": "bad",'
            ' "ts": 1763632800250}]}',
            readings=(("/SITE01/P-101/TEMP", 71.2), ("/SITE01/P-101/STATE", None)),
        ),
        Sample(
            '{"timestamp": 1763632800250, "samples": [{"name": "ActivePower", "v": 12}]}',
            readings=(("ActivePower", 12),),
        ),
        Sample('{"readings": []}'),
    ),
)
