"""N3uron's "JSON Compact": tag paths, each with its events `{v, q, ts}`."""

from itertools import chain
from typing import Any, TypeVar

import msgspec

from ingest_api.columns import RESERVED_KEYS, columns_of_events
from ingest_api.formats.air_quality import POLLUTANTS
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, Sample

E = TypeVar("E")

_NO_TAGS = RESERVED_KEYS.union(POLLUTANTS)


class _Event(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    v: bool | int | float | str | None
    q: int
    ts: int


_usual = msgspec.json.Decoder(dict[str, list[_Event]])


def recognises(document: Any) -> bool:
    """Whether every member is a list of events and the first event found has a `v`.

    A document of empty lists is one too: nothing has changed since the last.
    """
    if not isinstance(document, dict) or not document:
        return False
    if not document.keys().isdisjoint(RESERVED_KEYS):
        return False
    if set(map(type, document.values())) != {list}:
        return False
    first = next((event for events in document.values() for event in events), {"v": None})
    return isinstance(first, dict) and "v" in first


def parse(document: Any, _context: ParseContext) -> Parsed:
    """Read the events of every tag."""
    return columns_of_events(*_events(document))


def parse_usual(body: bytes) -> Parsed | None:
    """Read the events where each has its three members and nothing else."""
    try:
        document = _usual.decode(body)
    except ValueError:
        return None
    if not document or not document.keys().isdisjoint(_NO_TAGS):
        return None
    tags, events = _events(document)
    return Parsed(
        tags,
        values=[event.v for event in events],
        qualities=[event.q for event in events],
        times=[event.ts for event in events],
    )


def _events(document: dict[str, list[E]]) -> tuple[list[str], list[E]]:
    events = list(chain.from_iterable(document.values()))
    if len(events) == len(document) and all(document.values()):
        return list(document), events  # one event each, as a scan brings them
    return [tag for tag, of_tag in document.items() for _ in of_tag], events


FORMAT = PayloadFormat(
    name="n3uron_compact",
    order=60,
    recognises=recognises,
    parse=parse,
    parse_usual=parse_usual,
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
