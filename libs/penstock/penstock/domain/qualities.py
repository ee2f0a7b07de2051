"""Quality codes of the gateways' worlds, as our three classes.

The same number means different things in different worlds (0 is bad in OPC DA and good in OPC UA),
so the scheme is always told and never guessed.
"""

from enum import StrEnum

from penstock.domain.readings import Quality, RawQuality


class QualityScheme(StrEnum):
    """Whose codes a source speaks."""

    N3URON = "n3uron"
    OPC_DA = "opc_da"
    OPC_UA = "opc_ua"
    IGNITION = "ignition"
    SPARKPLUG = "sparkplug"


_BY_WORD = {
    "good": Quality.GOOD,
    "ok": Quality.GOOD,
    "true": Quality.GOOD,
    "uncertain": Quality.UNCERTAIN,
    "bad": Quality.BAD,
    "error": Quality.BAD,
    "stale": Quality.BAD,
    "false": Quality.BAD,
}
_BY_SEVERITY = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)
_OPC_DA = {0: Quality.BAD, 64: Quality.UNCERTAIN, 128: Quality.UNCERTAIN, 192: Quality.GOOD}
_SPARKPLUG = {0: Quality.BAD, 192: Quality.GOOD, 500: Quality.BAD}


def normalise_quality(raw: RawQuality, scheme: QualityScheme, *, absent: Quality) -> Quality:
    """Class of a raw quality; `absent` where there is none, uncertain where it is unknown."""
    if raw is None:
        return absent
    if isinstance(raw, bool):
        return Quality.GOOD if raw else Quality.BAD
    if isinstance(raw, str):
        word = raw.strip().lower()
        if not word.lstrip("-").isdecimal():
            return _BY_WORD.get(word, Quality.UNCERTAIN)
        return _by_code(int(word), scheme)
    return _by_code(raw, scheme)


def _by_code(code: int, scheme: QualityScheme) -> Quality:
    if code < 0 or code > 0xFFFF:
        # Only 32-bit status codes are that large, and all of them keep the severity on top.
        return _BY_SEVERITY[(code & 0xFFFFFFFF) >> 30]
    match scheme:
        case QualityScheme.OPC_UA:
            return Quality.GOOD
        case QualityScheme.SPARKPLUG:
            return _SPARKPLUG.get(code, Quality.UNCERTAIN)
        case QualityScheme.IGNITION if code < 256:
            return Quality.GOOD
        case QualityScheme.IGNITION:
            return Quality.UNCERTAIN if code < 512 else Quality.BAD
        case QualityScheme.N3URON | QualityScheme.OPC_DA:
            return _OPC_DA[code & 0xC0]
