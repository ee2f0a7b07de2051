"""Which items of a body are good, and why the others are not. Pure.

Bodies whose readings are all fine, which is nearly every body, are judged column by column;
where anything stands out, reading by reading. Both ways say the same of the same body.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from penstock.channels.readings import ReadingBlock
from penstock.domain.ids import GatewayId
from penstock.domain.readings import RawQuality, ReadingFlag, Sequence, Value
from penstock.domain.time import Micros

from ingest_api.document import Mark
from ingest_api.event_time import event_time, event_times, is_absent
from ingest_api.payload_format import Parsed, RawSequence
from ingest_api.quality import QualityTable
from ingest_api.reasons import FORBIDDEN, Reason
from ingest_api.rules import Rules
from ingest_api.values import all_plain, refuse_data, refuse_value

_FEW = 16
_Qualities: TypeAlias = tuple[list[int], list[RawQuality], ReadingFlag, int]
"""Classes and raw values by row, what was assumed of all, how many the scheme did not know."""


@dataclass(frozen=True, slots=True)
class Refused:
    """An item that was refused: its place in the body, why, and the item as it came."""

    index: int
    reason: Reason
    item: object


@dataclass(slots=True)
class Judged:
    """What became of a body's items; `superseded` ones were said again later in the same body."""

    block: ReadingBlock
    sequences: list[Sequence] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    superseded: int = 0
    unknown_qualities: int = 0

    @property
    def accepted(self) -> int:
        """How many items were good."""
        return len(self.block.tags) + len(self.sequences) + self.superseded

    @property
    def by_reason(self) -> Mapping[Reason, int]:
        """How many items were refused for which reason."""
        return Counter(item.reason for item in self.refused)

    @property
    def is_forbidden(self) -> bool:
        """Whether the gateway may name nothing of what it sent."""
        return not self.accepted and bool(self.refused) and set(self.by_reason) <= FORBIDDEN


def judge(parsed: Parsed, rules: Rules, *, gateway_id: GatewayId, accepted_at: Micros) -> Judged:
    """Judge a body; `accepted_at` is the arrival, and the present that times are held against."""
    judged = judge_columns(parsed, rules, gateway_id=gateway_id, accepted_at=accepted_at)
    if judged is None:
        judged = judge_rows(parsed, rules, gateway_id=gateway_id, accepted_at=accepted_at)
    if parsed.sequences:
        for sequence in parsed.sequences:
            _judge_sequence(judged, sequence, rules)
        _keep_last_sequences(judged)
    if parsed.strays:
        judged.refused += (Refused(one.index, one.reason, one.item) for one in parsed.strays)
    return judged


def judge_columns(
    parsed: Parsed, rules: Rules, *, gateway_id: GatewayId, accepted_at: Micros
) -> Judged | None:
    """Judge readings that are all fine; None where any needs a look of its own."""
    count = len(parsed.tags)
    if count == 0:
        return Judged(ReadingBlock(gateway_id, accepted_at, [], [], []))
    try:
        different = set(parsed.tags)
    except TypeError:  # a list or an object in the place of a tag
        return None
    if not rules.all_fine(different) or not all_plain(parsed.values):
        return None
    times = _times(parsed, rules, accepted_at)
    qualities = _qualities(parsed.qualities, rules)
    if times is None or qualities is None:
        return None
    at, time_flag = times
    quality, raw_quality, quality_flag, unknown = qualities
    flags = [int(time_flag | quality_flag)] * count if time_flag or quality_flag else []
    block = ReadingBlock(
        gateway_id, accepted_at, parsed.tags, at, parsed.values, quality, raw_quality, flags
    )
    judged = Judged(block, unknown_qualities=unknown)
    if len(different) < count:  # else each tag came once, as in a scan
        _keep_last(judged)
    return judged


def judge_rows(
    parsed: Parsed, rules: Rules, *, gateway_id: GatewayId, accepted_at: Micros
) -> Judged:
    """Judge reading by reading."""
    judged = Judged(ReadingBlock(gateway_id, accepted_at, [], [], []))
    batch_time = None if is_absent(parsed.batch_time) else parsed.batch_time
    columns = zip(parsed.tags, parsed.values, parsed.qualities, parsed.times, strict=True)
    for row, (tag, value, quality, time) in enumerate(columns):
        given = batch_time if is_absent(time) else time
        at = accepted_at if given is None else event_time(given, rules.zone, accepted_at)
        reason = _refuse_reading(tag, value, rules)
        if reason is None and isinstance(at, Reason):
            reason = at
        if reason is not None:
            judged.refused.append(Refused(parsed.index(row), reason, parsed.item(row)))
            continue
        flag = ReadingFlag.ASSUMED_TIME if given is None else ReadingFlag.NONE
        _accept_reading(judged, (tag, int(at), value), quality, int(flag), rules)
    _leave_out_defaults(judged.block)
    _keep_last(judged)
    return judged


def _accept_reading(
    judged: Judged, reading: tuple[str, int, Value], quality: Any, flag: int, rules: Rules
) -> None:
    block = judged.block
    tag, at, value = reading
    block.tags.append(tag)
    block.at.append(at)
    block.value.append(value)
    if is_absent(quality):
        worth, raw, is_known = rules.quality.assumed, None, True
        if not rules.quality.is_defined_when_absent:
            flag |= ReadingFlag.ASSUMED_QUALITY
    else:
        worth, raw, is_known = rules.quality.judge(quality)
    judged.unknown_qualities += not is_known
    block.quality.append(int(worth))
    block.raw_quality.append(raw)
    block.flags.append(flag)


def _leave_out_defaults(block: ReadingBlock) -> None:
    if not any(block.quality):
        block.quality = []
    if all(raw is None for raw in block.raw_quality):
        block.raw_quality = []
    if not any(block.flags):
        block.flags = []


def _refuse_reading(tag: Any, value: Any, rules: Rules) -> Reason | None:
    if tag is Mark.NOT_AN_OBJECT:
        return Reason.NOT_AN_OBJECT
    if tag is Mark.MISSING or tag is None:
        return Reason.TAG_MISSING
    return rules.refuse_tag(tag) or refuse_value(value)


def _times(
    parsed: Parsed, rules: Rules, accepted_at: Micros
) -> tuple[list[int], ReadingFlag] | None:
    """Read a column of times that are all given and fine, or all absent."""
    times = event_times(parsed.times, accepted_at)
    if times is not None:
        return times, ReadingFlag.NONE
    if not all(map(is_absent, parsed.times)):
        return None
    if is_absent(parsed.batch_time):
        return [accepted_at] * len(parsed.times), ReadingFlag.ASSUMED_TIME
    at = event_time(parsed.batch_time, rules.zone, accepted_at)
    return None if isinstance(at, Reason) else ([at] * len(parsed.times), ReadingFlag.NONE)


def _qualities(column: list[Any], rules: Rules) -> _Qualities | None:
    """Judge a column of few different qualities, all given or all absent."""
    table = rules.quality
    first = column[0]
    # True and 1 are equal, and one key of a dict, so kinds may not mix.
    is_sure = type(first) in (int, str) and first not in (0, 1)
    if is_sure and column.count(first) == len(column):
        return _one_quality(first, len(column), table)
    kinds = set(map(type, column))
    if len(kinds) != 1 or kinds.isdisjoint((int, bool, str, Mark, type(None))):
        return None
    distinct = set(column)
    if distinct <= {None, Mark.MISSING}:
        flag = ReadingFlag.NONE if table.is_defined_when_absent else ReadingFlag.ASSUMED_QUALITY
        return [int(table.assumed)] * len(column) if table.assumed else [], [], flag, 0
    if len(distinct) > _FEW:
        return None
    if len(distinct) == 1:
        return _one_quality(first, len(column), table)
    judged = {raw: table.judge_again(raw) for raw in distinct}
    return (
        [int(judged[raw][0]) for raw in column] if any(j[0] for j in judged.values()) else [],
        [judged[raw][1] for raw in column],
        ReadingFlag.NONE,
        sum(not judged[raw][2] for raw in column),
    )


def _one_quality(raw: Any, count: int, table: QualityTable) -> _Qualities:
    worth, kept, is_known = table.judge_again(raw)
    unknown = 0 if is_known else count
    return [int(worth)] * count if worth else [], [kept] * count, ReadingFlag.NONE, unknown


def _keep_last(judged: Judged) -> None:
    """Keep the last of the readings that have one identity: two in one body have no other order."""
    block = judged.block
    count = len(block.tags)
    last = {key: row for row, key in enumerate(zip(block.tags, block.at, strict=True))}
    if len(last) < count:
        rows = sorted(last.values())
        judged.superseded = count - len(rows)
        judged.block = block.only(rows)


def _keep_last_sequences(judged: Judged) -> None:
    last = {(one.sensor, one.model, one.at): row for row, one in enumerate(judged.sequences)}
    judged.superseded += len(judged.sequences) - len(last)
    judged.sequences = [judged.sequences[row] for row in sorted(last.values())]


def _judge_sequence(judged: Judged, raw: RawSequence, rules: Rules) -> None:
    accepted_at = judged.block.accepted_at
    absent = is_absent(raw.time)
    at = accepted_at if absent else event_time(raw.time, rules.zone, accepted_at)
    reason = (
        rules.refuse_sensor(raw.sensor) or rules.refuse_model(raw.model) or refuse_data(raw.data)
    )
    if reason is None and isinstance(at, Reason):
        reason = at
    if reason is not None or isinstance(at, Reason):
        judged.refused.append(Refused(raw.index, reason or Reason.TIME_MALFORMED, raw.item))
        return
    flags = ReadingFlag.ASSUMED_TIME if absent else ReadingFlag.NONE
    data = tuple(map(float, raw.data))
    judged.sequences.append(
        Sequence(judged.block.gateway_id, raw.sensor, raw.model, at, data, accepted_at, flags)
    )
