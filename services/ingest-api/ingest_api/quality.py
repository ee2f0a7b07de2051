"""Quality as gateways write it to one class, by the scheme that the gateway is set to.

The same number means different things to different systems (0 is bad in OPC DA, good in OPC UA),
so nothing is guessed: what a scheme does not know becomes uncertain and is counted.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from penstock.domain.readings import Quality, RawQuality
from penstock.gateways import QualityName, QualityScheme

from ingest_api.document import Mark, item_text

Judgement = tuple[Quality, RawQuality, bool]
"""The class, the raw value as kept, and whether the scheme knew it."""

_RAW_LIMIT = 64
_MOST_REMEMBERED = 1_000
_WORD = re.compile(r"\s*([A-Za-z]+)")
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BY_NAME = {quality.name.lower(): quality for quality in Quality}
_BY_WORD = {**_BY_NAME, "error": Quality.BAD, "stale": Quality.BAD}
_BY_SEVERITY = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)


class QualityTable:
    """Judges the qualities of one gateway."""

    def __init__(self, scheme: QualityScheme, default: QualityName) -> None:
        """Choose the scheme, and the class where none is given."""
        self._judge_number = _SCHEMES[scheme]
        self.assumed = Quality.GOOD if scheme == "sparkplug" else _BY_NAME[default]
        self.is_defined_when_absent = scheme == "sparkplug"
        self._remembered: dict[tuple[type, Any], Judgement] = {}

    def judge(self, raw: Any) -> Judgement:
        """Judge one quality that was given."""
        if isinstance(raw, bool):
            return (Quality.GOOD if raw else Quality.BAD), raw, True
        if isinstance(raw, float) and raw.is_integer():
            raw = int(raw)
        if isinstance(raw, int):
            return self._judge_int(raw)
        if isinstance(raw, str):
            return self._judge_text(raw)
        return Quality.UNCERTAIN, _kept(item_text(raw, limit=_RAW_LIMIT)), False

    def judge_again(self, raw: Any) -> Judgement:
        """Judge a quality that is a scalar as `judge` does; remember it, for there are but few."""
        key = (type(raw), raw)
        judgement = self._remembered.get(key)
        if judgement is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            judgement = self._remembered[key] = self.judge(raw)
        return judgement

    def _judge_int(self, raw: int) -> Judgement:
        quality = self._judge_number(raw) if 0 <= raw <= 0xFFFF else _by_severity(raw)
        kept = raw if -(2**63) <= raw < 2**63 else _kept(str(raw))
        return (Quality.UNCERTAIN, kept, False) if quality is None else (quality, kept, True)

    def _judge_text(self, raw: str) -> Judgement:
        if _NUMBER.fullmatch(raw):
            quality, _, is_known = self._judge_int(int(raw))
            return quality, _kept(raw), is_known
        word = _WORD.match(raw)
        known = _BY_WORD.get(word[1].lower()) if word else None
        return known if known is not None else Quality.UNCERTAIN, _kept(raw), known is not None


def is_absent(raw: Any) -> bool:
    """Whether no quality was given."""
    return raw is None or raw is Mark.MISSING


def _kept(text: str) -> str:
    return _UNPRINTABLE.sub("?", text[:_RAW_LIMIT])


def _by_severity(raw: int) -> Quality | None:
    """Top two bits of 32: numbers of this size have them in every scheme."""
    return _BY_SEVERITY[raw >> 30 & 3] if -(2**31) <= raw < 2**32 else None


def _opc_da(raw: int) -> Quality | None:
    """Two bits of the low byte; the high byte is the vendor's."""
    return (Quality.BAD, Quality.UNCERTAIN, None, Quality.GOOD)[raw >> 6 & 3]


def _n3uron(raw: int) -> Quality | None:
    """OPC DA's byte, and nothing beyond it: no document of N3uron's says what that would mean."""
    return _opc_da(raw) if raw <= 0xFF else None


def _opc_ua(_raw: int) -> Quality | None:
    """Severity 00: what is below 2^16 has no severity bits."""
    return Quality.GOOD


def _ignition(raw: int) -> Quality | None:
    """Subcodes without their level: good below 256, uncertain, then bad and error."""
    return (Quality.GOOD, Quality.UNCERTAIN)[raw >> 8] if raw < 512 else Quality.BAD


def _sparkplug(raw: int) -> Quality | None:
    """The three values of the specification; 500 is stale."""
    return {0: Quality.BAD, 192: Quality.GOOD, 500: Quality.BAD}.get(raw)


def _bool(raw: int) -> Quality | None:
    return {0: Quality.BAD, 1: Quality.GOOD}.get(raw)


def _text(_raw: int) -> Quality | None:
    return None


_SCHEMES: Mapping[QualityScheme, Callable[[int], Quality | None]] = {
    "n3uron": _n3uron,
    "opc_da": _opc_da,
    "opc_ua": _opc_ua,
    "ignition": _ignition,
    "sparkplug": _sparkplug,
    "bool": _bool,
    "text": _text,
}
