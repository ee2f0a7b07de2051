"""What every payload format must do, as checks that also run over formats of other distributions.

Each check raises FaultyFormat with what is wrong, or lets through what the format itself raised.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.domain.errors import MalformedPayload

from ingest_api.document import parse_document
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, Sample
from ingest_api.recognise import Formats

CONTEXT = ParseContext(gateway_id="gw-7")


class FaultyFormat(AssertionError):
    """A format breaks a rule that every format must keep."""


def check_samples(format_: PayloadFormat, formats: Formats) -> None:
    """Its samples say what they claim, alone and among all other formats."""
    _require(format_.samples, f"{format_.name} shows no sample")
    for sample in format_.samples:
        document = parse_document(sample.body.encode())
        _require(format_.recognises(document), f"{format_.name} does not recognise {sample.body}")
        check_columns(format_, document)
        check_names_decide(format_, document)
        _check_says(format_.parse(document, CONTEXT), sample)
        _check_says(formats.parse(document, CONTEXT), sample)
        _check_says(formats.parse([document], CONTEXT), sample)
        check_usual(format_, formats, sample.body.encode())


def check_is_pure(format_: PayloadFormat) -> None:
    """Reading a sample twice gives the same and leaves the document as it was."""
    for sample in format_.samples:
        document = parse_document(sample.body.encode())
        first = format_.parse(document, CONTEXT)
        _require(format_.parse(document, CONTEXT) == first, f"{format_.name} reads unlike twice")
        untouched = parse_document(sample.body.encode())
        _require(document == untouched, f"{format_.name} changes its document")


def check_garbage(format_: PayloadFormat, documents: Sequence[Any]) -> None:
    """Any document is either not recognised, or read, or refused as MalformedPayload."""
    for document in documents:
        check_columns(format_, document)


def check_names_decide(format_: PayloadFormat, document: Mapping[str, Any]) -> None:
    """An object without containers is recognised by the names of its members alone."""
    if any(isinstance(value, dict | list) for value in document.values()):
        return
    plain = format_.recognises(dict.fromkeys(document))
    _require(
        format_.recognises(document) is plain,
        f"{format_.name} looks at more than the names of {document}",
    )


def check_columns(format_: PayloadFormat, document: Any) -> None:
    """A document that is recognised is read into columns of one length, or refused."""
    if format_.recognises(document) is not True:
        return
    try:
        parsed = format_.parse(document, CONTEXT)
    except MalformedPayload:
        return
    lengths = {
        len(column) for column in (parsed.tags, parsed.values, parsed.qualities, parsed.times)
    }
    _require(len(lengths) == 1, f"{format_.name} reads columns of lengths {sorted(lengths)}")
    rows = lengths.pop()
    _require(len(parsed.items) in (0, rows), f"{format_.name} keeps {len(parsed.items)} items")


def check_usual(format_: PayloadFormat, formats: Formats, body: bytes) -> bool:
    """A body of the usual spelling says what its document says, to the same format alone.

    Tell whether it was one.
    """
    usual = format_.parse_usual(body) if format_.parse_usual else None
    if usual is None:
        return False
    document = parse_document(body)
    _require(
        formats.names(document) == [format_.name],
        f"{format_.name} takes {body!r}, which is another format's",
    )
    _require(
        _rows(usual) == _rows(format_.parse(document, CONTEXT)),
        f"{format_.name} reads {body!r} unlike its document",
    )
    return True


def _rows(parsed: Parsed) -> list[tuple[Any, ...]]:
    readings = _typed(list(zip(parsed.tags, parsed.values, strict=True)))
    return list(zip(readings, parsed.qualities, parsed.times, strict=True))


def _require(holds: object, fault: str) -> None:
    if not holds:
        raise FaultyFormat(fault)


def _check_says(parsed: Parsed, sample: Sample) -> None:
    readings = list(zip(parsed.tags, parsed.values, strict=True))
    _require(_typed(readings) == _typed(sample.readings), f"{sample.body} says {readings}")
    sequences = [(sequence.sensor, sequence.model) for sequence in parsed.sequences]
    _require(sequences == list(sample.sequences), f"{sample.body} says {sequences}")


def _typed(readings: Sequence[tuple[Any, Any]]) -> list[tuple[Any, type, Any]]:
    """Readings with the type of their value: 0 is not False, and 1 is not true."""
    return [(tag, type(value), value) for tag, value in readings]
