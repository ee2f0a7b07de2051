"""What every sink promises, as checks to run over an open sink.

    async with PLUGIN.open(settings, resources) as sink:
        for check in SINK_CHECKS:
            await check(SinkUnderTest(sink, PLUGIN.newest_only, PLUGIN.appends))

Each check uses names of its own, so one place serves all of them.
"""

import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from penstock.domain.errors import Unavailable
from penstock.domain.ids import LIVE, AssetName, BindingName, PackId
from penstock.domain.predictions import Prediction, PredictionFlag, PredictionKind
from penstock.domain.readings import Quality
from penstock.domain.time import HOUR, MINUTE, SECOND, Micros, parse_iso
from penstock.ports import Sink, WriteReport

_NOON = parse_iso("2026-11-20T12:00:00Z")


@dataclass(frozen=True, slots=True)
class SinkUnderTest:
    """A sink, and predictions that no other check has.

    `newest_only` is for a place that keeps one prediction of an asset and binding, `appends` for
    one that keeps every revision, so that its read view alone tells what is superseded.
    """

    sink: Sink
    newest_only: bool = False
    appends: bool = False
    _name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def prediction(
        self,
        asset: str = "P-101",
        *,
        at: int = 0,
        revision: int = 1,
        predicted_at: int = 90_000,
        pack: str = "a",
        probability: float | None = 0.125,
    ) -> Prediction:
        """Make a plausible prediction; `at` and `predicted_at` count from a fixed noon.

        As in life, a pack's id stands for its content: another content needs another `pack`.
        """
        return Prediction(
            binding=BindingName("pump-failure"), asset=AssetName(f"{self._name}-{asset}"),
            event_time=Micros(_NOON + at), run=LIVE, revision=revision, site="SITE01",
            asset_type="pump", model="pump-failure", model_version="v3", variant="v3",
            kind=PredictionKind.CLASSIFICATION, value=probability, probability=probability,
            decision=None if probability is None else probability >= 0.7, threshold=0.7,
            quality=Quality.UNCERTAIN, features_missing=2, flags=PredictionFlag.LATE,
            received_at=Micros(_NOON + at + 50_000), predicted_at=Micros(_NOON + predicted_at),
            pack_id=PackId(f"{self._name}-{pack}"), trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
            features=(71.25, -0.5),
        )  # fmt: skip

    async def write(self, *predictions: Prediction) -> WriteReport:
        """Write one batch."""
        return await self.sink.write(predictions)

    async def expect(self, *predictions: Prediction) -> None:
        """Fail unless the read view has exactly these of their identities."""
        await self.expect_only(predictions, asked=predictions)

    async def expect_only(
        self, predictions: Iterable[Prediction], *, asked: Sequence[Prediction]
    ) -> None:
        """Fail unless the read view has exactly `predictions` of the identities asked for."""
        identities = list(dict.fromkeys(prediction.identity for prediction in asked))
        found = sorted(map(_comparable, await self.sink.read(identities)))
        wanted = sorted(map(_comparable, predictions))
        _claim(found == wanted, f"the read view has {found}, not {wanted}")


def _comparable(prediction: Prediction) -> str:
    # Features are kept by the lake alone.
    return repr(replace(prediction, features=()))


def _claim(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


async def writes_and_reads_back(place: SinkUnderTest) -> None:
    """What was written is read as it was, across hours and days and in names of any script."""
    one = place.prediction()
    other = replace(
        place.prediction("Ü-1 泵", at=-30 * HOUR), site="", asset_type="", decision=True,
        value=-1.5e-9, probability=None, threshold=None, quality=Quality.GOOD,
        kind=PredictionKind.SCORE, flags=PredictionFlag.NONE, revision=2**53 + 1,
    )  # fmt: skip
    nothing = place.prediction("P-102", at=SECOND, probability=None)
    report = await place.write(one, other, nothing)
    _claim(not report.superseded and not report.failed, f"all were to be written: {report}")
    await place.expect(one, other, nothing)


async def an_empty_batch_is_nothing(place: SinkUnderTest) -> None:
    """No items, no trouble."""
    report = await place.write()
    _claim(not report.superseded and not report.failed, f"there was nothing: {report}")


async def delivered_twice_is_once(place: SinkUnderTest) -> None:
    """A repeat changes nothing, and what is kept does not count as superseded."""
    batch = [place.prediction(f"P-{n}", at=n * MINUTE) for n in range(20)]
    await place.write(*batch)
    report = await place.write(*batch)
    _claim(not report.superseded, f"a repeat is no older revision: {report}")
    await place.expect(*batch)


async def an_older_revision_never_overwrites(place: SinkUnderTest) -> None:
    """Greatest revision, then created-at, then pack id: whatever came first or last."""
    steps = [
        place.prediction(revision=1, predicted_at=9_000_000, pack="d"),
        place.prediction(revision=2, predicted_at=1_000_000, pack="c", probability=0.2),
        place.prediction(revision=2, predicted_at=2_000_000, pack="a", probability=0.3),
        place.prediction(revision=2, predicted_at=2_000_000, pack="b", probability=0.4),
    ]
    await place.write(steps[2])
    for older in (steps[1], steps[0]):
        report = await place.write(older)
        if not place.appends:
            _claim(set(report.superseded) == {0}, f"an older one was written: {report}")
    await place.expect_only([steps[2]], asked=steps)
    await place.write(steps[3])
    await place.write(steps[2])
    await place.expect_only([steps[3]], asked=steps)


async def one_identity_may_come_twice_in_a_batch(place: SinkUnderTest) -> None:
    """The greatest precedence within a batch wins, and the others are told by position."""
    new = place.prediction(revision=3, probability=0.9)
    old = place.prediction(revision=1)
    beside = place.prediction("P-102")
    report = await place.write(old, new, beside, old, new)
    if not place.appends:
        _claim(set(report.superseded) == {0, 3}, f"positions 0 and 3 are older: {report}")
    await place.expect_only([new, beside], asked=[old, new, beside])
    corrected = place.prediction("P-102", revision=2, pack="b", probability=0.5)
    await place.write(corrected, old)
    await place.expect_only([new, corrected], asked=[new, beside])


async def one_bad_item_fails_alone(place: SinkUnderTest) -> None:
    """Items that can never be written are told by position; all others are written."""
    batch = [place.prediction(f"P-{n}") for n in range(10)]
    bad = replace(batch[4], asset=AssetName("NUL\0"))
    worse = replace(batch[7], value=float("inf"))
    report = await place.write(*batch[:4], bad, *batch[5:7], worse, *batch[8:])
    _claim(set(report.failed) == {4, 7}, f"items 4 and 7 can never be written: {report}")
    _claim(all(report.failed.values()), f"a failure needs a reason: {report}")
    good = [p for n, p in enumerate(batch) if n not in (4, 7)]
    await place.expect_only(good, asked=batch)


async def a_crash_before_the_ack_is_harmless(place: SinkUnderTest) -> None:
    """After a kill the packs come again, in other batches and beside new ones."""
    first = [place.prediction(f"P-{n}", pack="a") for n in range(5)]
    second = [place.prediction(f"P-{n}", pack="b") for n in range(5, 9)]
    corrected = [replace(p, revision=2, pack_id=PackId(p.pack_id + "-c")) for p in first[:2]]
    await place.write(*first, *second)
    await place.write(*second, *corrected)
    await place.write(*first)
    await place.expect(*corrected, *first[2:], *second)


async def event_times_stand_beside_each_other(place: SinkUnderTest) -> None:
    """A history keeps every event time; a place of the newest keeps the newest, however it came."""
    times = [place.prediction(at=n * MINUTE, pack=f"p{n}") for n in (3, 1, 2)]
    corrected = replace(times[1], revision=9, pack_id=PackId(times[1].pack_id + "-c"))
    await place.write(times[0], times[2])
    await place.write(times[1])
    await place.write(corrected)
    kept = [times[0]] if place.newest_only else [times[0], corrected, times[2]]
    await place.expect_only(kept, asked=times)


SinkCheck = Callable[[SinkUnderTest], Awaitable[None]]
SINK_CHECKS: tuple[SinkCheck, ...] = (
    writes_and_reads_back,
    an_empty_batch_is_nothing,
    delivered_twice_is_once,
    an_older_revision_never_overwrites,
    one_identity_may_come_twice_in_a_batch,
    one_bad_item_fails_alone,
    a_crash_before_the_ack_is_harmless,
    event_times_stand_beside_each_other,
)


async def says_that_it_is_down(sink: Sink) -> None:
    """With its dependency gone, ping and write raise Unavailable and nothing else."""
    place = SinkUnderTest(sink)
    attempts: dict[str, Callable[[], Awaitable[object]]] = {
        "ping": sink.ping,
        "write": lambda: place.write(place.prediction()),
    }
    for name, attempt in attempts.items():
        try:
            await attempt()
        except Unavailable:
            continue
        raise AssertionError(f"{name} did not say that the dependency is down")
