"""Our own envelope: `{"readings": [{"tag", "value", "quality", "at"}]}`, and its near relatives."""

from typing import Any

import msgspec

from ingest_api.columns import TIME_KEYS, columns_of, enveloped
from ingest_api.document import Mark
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, Sample


class _Reading(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    tag: str
    value: bool | int | float | str | None
    quality: str | int
    at: str | int


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    readings: list[_Reading]


_usual = msgspec.json.Decoder(_Envelope)


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


def parse_usual(body: bytes) -> Parsed | None:
    """Read the readings where each has these four members and nothing stands beside them."""
    try:
        readings = _usual.decode(body).readings
    except ValueError:
        return None
    return Parsed(
        tags=[reading.tag for reading in readings],
        values=[reading.value for reading in readings],
        qualities=[reading.quality for reading in readings],
        times=[reading.at for reading in readings],
    )


FORMAT = PayloadFormat(
    name="penstock",
    order=80,
    recognises=recognises,
    parse=parse,
    parse_usual=parse_usual,
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
