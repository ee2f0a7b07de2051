"""A sensor's numbers for a named model: the payload carries its own frame."""

from typing import Any

from ingest_api.document import Mark
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, RawSequence, Sample


def recognises(document: Any) -> bool:
    """Whether it names a sensor and a model and lists data."""
    return (
        isinstance(document, dict)
        and "sensor" in document
        and "model" in document
        and isinstance(document.get("data"), list)
    )


def parse(document: Any, _context: ParseContext) -> Parsed:
    """Read the one sequence."""
    time = document.get("timestamp", Mark.MISSING)
    sequence = RawSequence(
        document["sensor"], document["model"], document["data"], time, item=document
    )
    return Parsed(sequences=[sequence])


FORMAT = PayloadFormat(
    name="sequence",
    order=0,
    recognises=recognises,
    parse=parse,
    samples=(
        Sample(
            '{"timestamp": 1718000000000, "sensor": "sensor-x", "model": "serverlessendpoint",'
            ' "data": [12, 71, 8]}',
            sequences=(("sensor-x", "serverlessendpoint"),),
        ),
        Sample(
            '{"sensor": "pump-3", "model": "pump-vibration", "data": [0.25, -1.5e-3]}',
            sequences=(("pump-3", "pump-vibration"),),
        ),
    ),
)
