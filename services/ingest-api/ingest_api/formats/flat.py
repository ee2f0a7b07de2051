"""What a flow without a template sends: one flat reading, or tag paths with bare values."""

from typing import Any

from ingest_api.columns import NAME_KEYS, VALUE_KEYS, all_have, columns_of, names_a_tag
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, Sample

_CONTAINERS = (dict, list)


def recognises(document: Any) -> bool:
    """Whether it is one reading, or a map of paths (they start with `/`) to values."""
    if not isinstance(document, dict) or not document:
        return False
    return _is_reading(document) or all(
        key.startswith("/") and not isinstance(value, _CONTAINERS)
        for key, value in document.items()
    )


def parse(document: Any, context: ParseContext) -> Parsed:
    """Read the one reading, or one per path, at the time of arrival."""
    return parse_many([document], context)


def parse_many(documents: list[Any], _context: ParseContext) -> Parsed:
    """Read an array of readings, the commonest body of a script."""
    if all_have(documents, NAME_KEYS) and all_have(documents, VALUE_KEYS):
        return columns_of(documents)
    return columns_of([reading for document in documents for reading in _readings(document)])


def _readings(document: dict[str, Any]) -> list[dict[str, Any]]:
    if _is_reading(document):
        return [document]
    return [{"tag": path, "value": value} for path, value in document.items()]


def _is_reading(document: dict[str, Any]) -> bool:
    return names_a_tag(document) and any(key in document for key in VALUE_KEYS)


FORMAT = PayloadFormat(
    name="flat",
    order=90,
    recognises=recognises,
    parse=parse,
    parse_many=parse_many,
    samples=(
        Sample(
            '{"tag": "/SITE01/P-101/TEMP", "value": 0, "ts": 1718000000000}',
            readings=(("/SITE01/P-101/TEMP", 0),),
        ),
        Sample(
            '{"/SITE01/P-101/TEMP": 71.2, "/SITE01/P-101/RUN": true}',
            readings=(("/SITE01/P-101/TEMP", 71.2), ("/SITE01/P-101/RUN", True)),
        ),
    ),
)
