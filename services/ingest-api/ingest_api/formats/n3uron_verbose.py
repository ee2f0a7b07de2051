"""N3uron's long spelling `{value, quality, ts}`: by tag path, or as the script in our docs does.

That script posts `{"gateway": ..., "values": [{"path", "value", "quality", "ts"}]}`. The gateway is
the one whose key came with the request, whatever the body calls it.
"""

from typing import Any

from ingest_api.columns import RESERVED_KEYS, columns_of, columns_of_events
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, Sample


def recognises(document: Any) -> bool:
    """Whether it is the script's envelope, or events with a `value` by tag path."""
    return isinstance(document, dict) and (_is_envelope(document) or _is_by_path(document))


def parse(document: Any, _context: ParseContext) -> Parsed:
    """Read the values, or the events of every tag."""
    if _is_envelope(document):
        return columns_of(document["values"])
    events = [event for of_tag in document.values() for event in of_tag]
    tags = [tag for tag, of_tag in document.items() for _ in of_tag]
    return columns_of_events(tags, events)


def _is_envelope(document: dict[str, Any]) -> bool:
    values = document.get("values")
    if "gateway" not in document or not isinstance(values, list):
        return False
    return not values or any(isinstance(item, dict) and "path" in item for item in values)


def _is_by_path(document: dict[str, Any]) -> bool:
    if not RESERVED_KEYS.isdisjoint(document):
        return False
    if not all(isinstance(events, list) for events in document.values()):
        return False
    first = next((event for events in document.values() for event in events), None)
    return isinstance(first, dict) and "value" in first


FORMAT = PayloadFormat(
    name="n3uron_verbose",
    order=61,
    recognises=recognises,
    parse=parse,
    samples=(
        Sample(
            '{"gateway": "edge-01", "values": ['
            '{"path": "/SITE01/LINE01/MACHINE01/TEMP", "value": 71.5, "quality": 192,'
            ' "ts": 1718000000000},'
            '{"path": "/SITE01/LINE01/MACHINE01/RUN", "value": false, "quality": 192,'
            ' "ts": 1718000000000}]}',
            readings=(
                ("/SITE01/LINE01/MACHINE01/TEMP", 71.5),
                ("/SITE01/LINE01/MACHINE01/RUN", False),
            ),
        ),
        Sample(
            '{"/SUBS01/MTR01/STATE": [{"value": "closed", "quality": 192, "ts": 1718000000500}]}',
            readings=(("/SUBS01/MTR01/STATE", "closed"),),
        ),
    ),
)
