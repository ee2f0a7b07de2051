import pytest
from penstock_local.part import (
    Part,
    RestartPolicy,
    TcpReady,
    delay_before_restart,
    in_order,
    with_dependencies,
)

POLICY = RestartPolicy(first_delay_seconds=0.5, ceiling_seconds=30)


def make_part(name: str, *needs: str) -> Part:
    return Part(name=name, argv=("true",), env={}, ready=TcpReady(1), depends_on=needs)


PARTS = [
    make_part("console", "bootstrap"),
    make_part("bootstrap", "aws", "postgres"),
    make_part("aws"),
    make_part("postgres"),
]


def test_parts_start_together_once_what_they_need_is_there() -> None:
    names = [[part.name for part in generation] for generation in in_order(PARTS)]
    assert names == [["aws", "postgres"], ["bootstrap"], ["console"]]


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="circle"):
        in_order([make_part("a", "b"), make_part("b", "a")])


def test_a_missing_dependency_is_named() -> None:
    with pytest.raises(ValueError, match="console depends on bootstrap"):
        in_order([make_part("console", "bootstrap")])


def test_a_chosen_part_brings_what_it_needs() -> None:
    assert [part.name for part in with_dependencies(PARTS, ["bootstrap"])] == [
        "bootstrap",
        "aws",
        "postgres",
    ]


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no part is called 'kafka'; there are console"):
        with_dependencies(PARTS, ["kafka"])


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 16.0), (7, 30.0), (5000, 30.0)]
)
def test_delays_double_up_to_a_ceiling(failures: int, seconds: float) -> None:
    assert delay_before_restart(POLICY, failures=failures, jitter=0.0) == seconds


def test_jitter_takes_off_up_to_half() -> None:
    assert delay_before_restart(POLICY, failures=2, jitter=1.0) == 0.5
