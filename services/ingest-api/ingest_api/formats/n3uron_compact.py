"""N3uron's "JSON Compact": tag paths, each with its events `{v, q, ts}`."""

from itertools import chain
from typing import Any

from ingest_api.columns import RESERVED_KEYS, columns_of_events
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, Sample


def recognises(document: Any) -> bool:
    """Whether every member is a list of events and the first event found has a `v`.

    A document of empty lists is one too: nothing has changed since the last.
    """
    if not isinstance(document, dict) or not document or not RESERVED_KEYS.isdisjoint(document):
        return False
    if set(map(type, document.values())) != {list}:
        return False
    first = next((event for events in document.values() for event in events), {"v": None})
    return isinstance(first, dict) and "v" in first


def parse(document: Any, _context: ParseContext) -> Parsed:
    """Read the events of every tag."""
    events = list(chain.from_iterable(document.values()))
    if len(events) == len(document) and all(document.values()):
        tags = list(document)  # one event each, as a scan brings them
    else:
        tags = [tag for tag, of_tag in document.items() for _ in of_tag]
    return columns_of_events(tags, events)


FORMAT = PayloadFormat(
    name="n3uron_compact",
    order=60,
    recognises=recognises,
    parse=parse,
    samples=(
        Sample(
            '{"/BLK01/CAB01/INV01/ENERGY_TODAY_VAL": [{"v": 812.4, "q": 192, "ts": 1718000000000},'
            ' {"v": 812.9, "q": 192, "ts": 1718000060000}],'
            ' "/SUBS01/MTR01/VOLTAGE": [{"v": 0, "q": 192, "ts": 1718000000500}]}',
            readings=(
                ("/BLK01/CAB01/INV01/ENERGY_TODAY_VAL", 812.4),
                ("/BLK01/CAB01/INV01/ENERGY_TODAY_VAL", 812.9),
                ("/SUBS01/MTR01/VOLTAGE", 0),
            ),
        ),
        Sample('{"/SUBS01/MTR01/VOLTAGE": []}'),
    ),
)
