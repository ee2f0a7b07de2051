import json
from pathlib import Path

import pytest
from penstock_client.cost.sizing import (
    FARGATE_SIZES,
    Use,
    fits,
    load_measured,
    smallest_size,
)

from tests.unit.penstock_client.cost.deployments import deployment, uses


def use(
    cpu: float | None = 10.0, *, idle: float = 0.0, peak: float = 0.0, rss: float = 944.0
) -> Use:
    return Use(cpu_seconds_per_million_readings=cpu, idle_vcpus=idle, peak_vcpus=peak, rss_mib=rss)


def test_tasks_carry_the_load_at_the_share_that_scaling_aims_at() -> None:
    # 100,000 readings a second of 10 μs are one vCPU: two tasks of one at half of it.
    found = deployment(readings_per_second=1e5, measured=uses(ingest_api=use(10.0)))
    assert found.running("ingest-api") == 2
    # 1.001 vCPUs are three.
    more = deployment(readings_per_second=1.001e5, measured=uses(ingest_api=use(10.0)))
    assert more.running("ingest-api") == 3
    assert found.running("console") == 1


def test_a_load_beyond_the_limit_runs_the_limit_and_says_so() -> None:
    measured = uses(ingest_api=use(10.0))
    found = deployment(readings_per_second=1e6, measured=measured)
    assert (found.running("ingest-api"), found.tasks["ingest-api"].wanted) == (10, 20)
    (fit,) = fits(found, measured)
    assert fit.verdict == "too small"
    assert "20 tasks, 10 may run" in fit.reason


def test_a_task_that_uses_what_it_has_fits() -> None:
    # 40,000 readings a second of 10 μs are 0.4 vCPU of one, 944 and 256 of 2,048 MiB.
    measured = uses(ingest_api=use(10.0))
    (fit,) = fits(deployment(readings_per_second=4e4, measured=measured), measured)
    assert (fit.verdict, fit.reason) == ("fits", "40% of the CPU, 59% of the memory")
    assert (fit.better_cpu, fit.better_memory_mib) == (1024, 2048)


def test_a_task_with_little_memory_left_is_too_small() -> None:
    measured = uses(ingest_api=use(10.0, rss=1_544.0))
    (fit,) = fits(deployment(readings_per_second=4e4, measured=measured), measured)
    assert fit.verdict == "too small"
    # 1,544 and 256 MiB at 60 % are 3,000: the next with one vCPU is 3 GiB.
    assert (fit.better_cpu, fit.better_memory_mib) == (1024, 3072)


def test_a_task_that_idles_is_too_large() -> None:
    measured = uses(console=use(None, idle=0.01, peak=0.2, rss=44.0))
    (fit,) = fits(deployment(measured=measured), measured)
    assert (fit.verdict, fit.better_cpu, fit.better_memory_mib) == ("too large", 256, 512)
    assert fit.reason == "20% of the CPU, 15% of the memory"


def test_what_works_by_the_job_is_judged_by_its_busiest_moment() -> None:
    measured = uses(console=use(None, peak=0.9))
    (fit,) = fits(deployment(measured=measured), measured)
    assert (fit.verdict, fit.reason) == ("fits", "90% of the CPU, 59% of the memory")


@pytest.mark.parametrize(
    ("vcpus", "memory_mib", "size"),
    [
        (0.1, 100, (256, 512)),
        (0.25, 513, (256, 1024)),
        (0.1, 2_500, (512, 3072)),
        (1.1, 1_000, (2048, 4096)),
        (64, 500_000, (16384, 122880)),
    ],
)
def test_the_smallest_pair_that_fargate_offers(
    vcpus: float, memory_mib: float, size: tuple[int, int]
) -> None:
    assert smallest_size(vcpus=vcpus, memory_mib=memory_mib) == size
    assert size[1] in FARGATE_SIZES[size[0]]


def test_a_measurement_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sizing.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="bench-sizing"):
        load_measured(path)
    path.write_text(json.dumps({"measured_at": "x", "machine": "y", "commands": {"console": {}}}))
    with pytest.raises(ValueError, match="bench-sizing"):
        load_measured(path)


def test_the_measurement_that_came_with_this_version_knows_every_command() -> None:
    measured = load_measured()
    assert set(measured.uses) >= {"ingest-api", "inference-worker", "results-writer", "console"}
    assert measured.measured_at.startswith("202")
    for name in ("ingest-api", "inference-worker", "results-writer"):
        assert (measured.uses[name].cpu_seconds_per_million_readings or 0) > 0
