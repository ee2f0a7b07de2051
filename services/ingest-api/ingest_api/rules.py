"""A gateway's settings made ready for judging thousands of readings."""

import re
from typing import Any
from zoneinfo import ZoneInfo

from penstock.gateways import EVERYWHERE, GatewayBody

from ingest_api.quality import QualityTable
from ingest_api.reasons import Reason

_NAME_LIMIT = 255
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,62}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_REMEMBERED_TAGS = 50_000


class Rules:
    """What one gateway may say and how it is understood.

    Tags that were found fine are remembered (bounded), so that the usual body is judged by one
    comparison of sets.
    """

    def __init__(self, settings: GatewayBody) -> None:
        """Prepare the settings."""
        self.format = settings.format
        self.zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
        self.quality = QualityTable(settings.quality_scheme, settings.default_quality)
        self._exact = frozenset(settings.paths)
        self._below = tuple(start for path in settings.paths for start in _starts(path))
        self._models = frozenset(settings.models)
        self._known = frozenset(settings.tags) if settings.unknown_tags == "reject" else None
        self._fine: set[Any] = set()

    def all_fine(self, tags: set[Any]) -> bool:
        """Whether all of these tags may be named; cheap for tags that were seen before."""
        if tags <= self._fine:
            return True
        unseen = tags - self._fine
        if any(self.refuse_tag(tag) for tag in unseen):
            return False
        if len(self._fine) + len(unseen) > _REMEMBERED_TAGS:
            self._fine.clear()
        self._fine |= unseen
        return True

    def refuse_tag(self, tag: Any) -> Reason | None:
        """Say why a tag may not be named, if so."""
        if not _is_name(tag):
            return Reason.TAG_MALFORMED
        if not self._allows(tag):
            return Reason.PATH_NOT_ALLOWED
        if self._known is not None and tag not in self._known:
            return Reason.UNKNOWN_TAG
        return None

    def refuse_sensor(self, sensor: Any) -> Reason | None:
        """Say why a sensor may not be named, if so."""
        if not _is_name(sensor):
            return Reason.SENSOR_MALFORMED
        return None if self._allows(sensor) else Reason.PATH_NOT_ALLOWED

    def refuse_model(self, model: Any) -> Reason | None:
        """Say why a model may not be named, if so."""
        if not isinstance(model, str) or not _MODEL.fullmatch(model):
            return Reason.MODEL_MALFORMED
        if self._models and model not in self._models:
            return Reason.MODEL_NOT_ALLOWED
        return None

    def _allows(self, path: str) -> bool:
        return EVERYWHERE in self._exact or path in self._exact or path.startswith(self._below)


def _starts(path: str) -> tuple[str, ...]:
    """How a path below this one starts, in the spellings `/A/B` and `A.B`."""
    return (path,) if path[-1] in "/." else (f"{path}/", f"{path}.")


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and 0 < len(name) <= _NAME_LIMIT and not _UNPRINTABLE.search(name)
