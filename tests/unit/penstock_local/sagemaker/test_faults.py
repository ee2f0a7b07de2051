import asyncio

import pytest
from penstock_local.sagemaker.faults import FAULT_LIST, Fault, Faults
from pydantic import ValidationError

from tests.fixtures.waiting import PATIENCE_SECONDS


def test_fault_with_a_count_happens_that_often() -> None:
    faults = Faults(seed=7)
    faults.replace([Fault(kind="throttle", count=2)])

    happened = [faults.take("throttle", "pump") is not None for _ in range(4)]

    assert happened == [True, True, False, False]
    assert faults.report()[0]["happened"] == 2


def test_fault_without_count_and_probability_always_happens() -> None:
    faults = Faults(seed=7)
    faults.replace([Fault(kind="cold_start", endpoint="pump")])

    assert faults.take("cold_start", "pump")
    assert faults.take("cold_start", "valve") is None
    assert faults.take("throttle", "pump") is None


def test_chance_repeats_with_the_seed() -> None:
    def run(seed: int) -> list[bool]:
        faults = Faults(seed=seed)
        faults.replace([Fault(kind="throttle", probability=0.5)])
        return [faults.take("throttle", "pump") is not None for _ in range(40)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_second_fault_of_a_kind_follows_the_first() -> None:
    faults = Faults(seed=7)
    slow = [Fault(kind="slow", count=1, delay_seconds=1), Fault(kind="slow", delay_seconds=2)]
    faults.replace(slow)

    delays = [fault.delay_seconds for _ in range(3) if (fault := faults.take("slow", "pump"))]

    assert delays == [1, 2, 2]


async def test_stuck_endpoint_goes_on_when_the_faults_change() -> None:
    faults = Faults(seed=7)
    faults.replace([Fault(kind="stuck_creating")])
    stuck = asyncio.create_task(faults.hold_while_stuck("pump"))
    await asyncio.sleep(0)
    assert not stuck.done()

    faults.replace([])

    await asyncio.wait_for(stuck, PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "text",
    [
        b'[{"kind": "earthquake"}]',
        b'[{"kind": "throttle", "probability": 1.5}]',
        b'[{"kind": "throttle", "probability": 0.5, "count": 1}]',
        b'[{"kind": "throttle", "delay_seconds": 1}]',
        b'[{"kind": "throttle", "endpont": "pump"}]',
        b"{}",
    ],
)
def test_unclear_faults_are_refused(text: bytes) -> None:
    with pytest.raises(ValidationError):
        FAULT_LIST.validate_json(text)
