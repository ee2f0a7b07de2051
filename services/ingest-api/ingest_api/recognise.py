"""Which format a document has: forced by the gateway's setting, or the first that knows it."""

from collections.abc import Callable, Iterator, KeysView, Mapping
from dataclasses import replace
from itertools import groupby, takewhile
from operator import itemgetter
from typing import Any

from penstock.domain.errors import UnknownFormat
from penstock.gateways import AUTO
from penstock.plugins import discover

from ingest_api import formats
from ingest_api.document import Mark
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, Stray
from ingest_api.reasons import Reason

ENTRY_POINTS = "penstock.formats"
"""Entry points through which other distributions add formats."""
_CONTAINERS = frozenset({dict, list})


def discovered_formats() -> dict[str, PayloadFormat]:
    """Every format, ours and those of other distributions."""
    return discover(formats, attribute="FORMAT", kind=PayloadFormat, group=ENTRY_POINTS)


class Formats:
    """The formats of a process in the order in which they are asked."""

    def __init__(self, known: Mapping[str, PayloadFormat]) -> None:
        """Order them."""
        self._by_name = dict(known)
        self._ordered = sorted(known.values(), key=lambda format_: (format_.order, format_.name))
        self._usual: dict[str, list[Callable[[bytes], Parsed | None]]] = {
            name: [format_.parse_usual] for name, format_ in known.items() if format_.parse_usual
        }
        # A format of another distribution that is asked first must see every document.
        ours_first = takewhile(_is_ours, self._ordered)
        self._usual[AUTO] = [format_.parse_usual for format_ in ours_first if format_.parse_usual]

    def parse_usual(self, body: bytes, *, wanted: str = AUTO) -> Parsed | None:
        """Read a body of some format's usual spelling; None for any other body."""
        for parse_usual in self._usual.get(wanted, ()):
            parsed = parse_usual(body)
            if parsed is not None:
                return parsed
        return None

    def parse(self, document: Any, context: ParseContext, *, wanted: str = AUTO) -> Parsed:
        """Read a document, or an array of documents, as `wanted` or as the first that knows it.

        Raise UnknownFormat where none does, MalformedPayload where its format cannot read it.
        """
        candidates = self._candidates(wanted)
        if isinstance(document, list):
            return _parse_array(document, context, candidates)
        found = _recognise(document, candidates)
        if found is None:
            names = ", ".join(format_.name for format_ in candidates)
            raise UnknownFormat(f"the body has no shape that we know; tried {names}")
        return found.parse(document, context)

    def names(self, document: Any, *, wanted: str = AUTO) -> list[str]:
        """Names of the formats that a document, or the elements of an array, would be read as."""
        candidates = self._candidates(wanted)
        elements = document if isinstance(document, list) else [document]
        return sorted({f.name for f in _recognise_each(elements, candidates) if f})

    def _candidates(self, wanted: str) -> list[PayloadFormat]:
        if wanted == AUTO:
            return self._ordered
        if wanted not in self._by_name:
            raise UnknownFormat(
                f"the gateway is set to format {wanted}, which this server does not have; "
                f"it has {', '.join(self._by_name)}"
            )
        return [self._by_name[wanted]]


def _is_ours(format_: PayloadFormat) -> bool:
    return format_.parse.__module__.startswith(f"{formats.__name__}.")


def _recognise(document: Any, candidates: list[PayloadFormat]) -> PayloadFormat | None:
    return next((format_ for format_ in candidates if format_.recognises(document)), None)


def _recognise_each(
    elements: list[Any], candidates: list[PayloadFormat]
) -> Iterator[PayloadFormat | None]:
    """Recognise the elements of an array; objects of scalars with equal names need one look."""
    last_names: KeysView[str] | None = None
    found = None
    for element in elements:
        is_plain = isinstance(element, dict) and _CONTAINERS.isdisjoint(map(type, element.values()))
        if not is_plain or element.keys() != last_names:
            found = _recognise(element, candidates)
            last_names = element.keys() if is_plain else None
        yield found


def _parse_array(
    elements: list[Any], context: ParseContext, candidates: list[PayloadFormat]
) -> Parsed:
    known = list(_recognise_each(elements, candidates))
    if elements and not any(known):
        raise UnknownFormat("no element of the array has a shape that we know")
    merged = Parsed()
    # Neighbours of one format come together, so that flat readings still make columns.
    for format_, pairs in groupby(zip(known, elements, strict=True), key=itemgetter(0)):
        for part in _parse_run(format_, [element for _, element in pairs], context):
            _append(merged, part)
    return merged


def _parse_run(
    format_: PayloadFormat | None, run: list[Any], context: ParseContext
) -> list[Parsed]:
    if format_ is None:
        return [Parsed(strays=[Stray(0, Reason.UNKNOWN_SHAPE, element)]) for element in run]
    if format_.parse_many is not None:
        return [format_.parse_many(run, context)]
    return [format_.parse(element, context) for element in run]


def _append(merged: Parsed, part: Parsed) -> None:
    """Add a part; an index counts the items of the whole array."""
    rows = len(part.tags)
    start = merged.count
    merged.indexes += range(start, start + rows)
    merged.items += part.items or [part.item(row) for row in range(rows)]
    merged.tags += part.tags
    merged.values += part.values
    merged.qualities += part.qualities
    merged.times += _with_batch_time(part)
    for sequence in part.sequences:
        merged.sequences.append(replace(sequence, index=merged.count))
    for stray in part.strays:
        merged.strays.append(replace(stray, index=merged.count))


def _with_batch_time(part: Parsed) -> list[Any]:
    if part.batch_time is Mark.MISSING:
        return part.times
    return [part.batch_time if time in (None, Mark.MISSING) else time for time in part.times]
