import re
import tomllib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_client.cost import report
from penstock_client.cost.estimate import Estimate, estimate
from penstock_client.cost.prices import load_prices
from penstock_client.cost.shape import load_shape
from penstock_client.cost.sizing import load_measured
from penstock_client.cost.workload import Workload
from training_orchestrator.settings import Settings

from tests.unit.penstock_client.cost.deployments import LOAD, NOTHING_MEASURED, SHAPE

PRICES = load_prices()


def bill(load: Workload) -> Estimate:
    return estimate(load, shape=SHAPE, measured=NOTHING_MEASURED, prices=PRICES)


def test_a_line_is_its_quantity_at_its_price() -> None:
    (line,) = [line for line in bill(LOAD).lines if line.usage.price == "aurora-acu-hour"]
    assert line.usd == pytest.approx(2 * 730 * 0.12)
    requests = [line for line in bill(LOAD).lines if line.usage.price == "waf-request"]
    assert requests[0].usd == pytest.approx(10 * 2_628_000 * 0.60 / 1e6)


def test_the_bill_is_the_sum_of_its_components_and_of_its_lines() -> None:
    found = bill(LOAD)
    assert sum(found.usd_by_component.values()) == pytest.approx(found.usd)
    assert found.usd == pytest.approx(sum(line.usd for line in found.lines))
    # 1,000 readings a second are 2,628 million a month.
    assert found.per_million_readings(found.usd) == pytest.approx(found.usd / 2_628)


def test_nothing_sent_costs_what_runs_by_the_hour() -> None:
    idle = bill(LOAD.when_idle())
    by_price = {line.usage.price for line in idle.lines}
    assert {
        "alb-hour",
        "fargate-arm64-vcpu-hour",
        "sagemaker-ml.m5.large-hour",
        "nat-hour",
    } <= by_price
    assert not by_price & {
        "sns-publish",
        "s3-put",
        "snowflake-credit",
        "waf-request",
        "iot-message",
    }
    assert idle.per_million_readings(idle.usd) is None
    # Tasks: four of 1 vCPU and 2 GiB, and 4 images × 5 versions × 0.5 GB.
    tasks = 4 * 730 * (0.03238 + 2 * 0.00356) + 10 * 0.10
    assert idle.usd_by_component["tasks"] == pytest.approx(tasks)


@given(rate=st.floats(min_value=0.01, max_value=1e5), tags=st.integers(1, 200))
def test_sending_never_costs_less_than_silence(rate: float, tags: int) -> None:
    load = replace(LOAD, readings_per_second=rate, tags_per_asset=tags)
    assert bill(load).usd >= bill(load.when_idle()).usd


def test_a_region_makes_aws_dearer_and_snowflake_not() -> None:
    here, there = bill(LOAD), bill(replace(LOAD, region_multiplier=2.0))
    snowflake = here.usd_by_component["Snowflake"]
    assert there.usd_by_component["Snowflake"] == snowflake
    assert there.usd - snowflake == pytest.approx(2 * (here.usd - snowflake))


def test_half_a_month_costs_half() -> None:
    load = replace(LOAD, trainings=0.0, hours=365.0)
    assert bill(load).usd == pytest.approx(bill(replace(load, hours=730.0)).usd / 2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tags_per_asset": 0}, "tags_per_asset is 0: at least 1"),
        ({"mqtt_gateways": 11}, "11 of 10 gateways"),
        ({"gateways": 0}, "readings come from gateways"),
        ({"endpoints": {"ml.p9.huge": 1}}, "no sagemaker-ml.p9.huge-hour"),
    ],
)
def test_what_cannot_be_is_told(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        bill(replace(LOAD, **changes))  # type: ignore[arg-type]  # fields by name


def test_every_price_is_used_and_says_where_it_is_from() -> None:
    everything = replace(LOAD, mqtt_gateways=1, endpoints={"ml.m5.large": 1})
    bills = [bill(everything), bill(replace(everything, architecture="x86"))]
    used = {line.usage.price for found in bills for line in found.lines}
    unused = {name for name in set(PRICES) - used if not name.startswith("sagemaker-ml.")}
    assert not unused
    for price in PRICES.values():
        assert price.source, price
        assert price.as_of.startswith("202"), price
        # Nobody here has read AWS's list: a price becomes verified when somebody has.
        assert price.status in {"second-hand", "unverified"}, price


def test_instances_cost_what_the_dry_run_of_a_job_says() -> None:
    for instance, usd in Settings().instance_types.items():
        assert PRICES[f"sagemaker-{instance}-hour"].usd == usd


def test_prices_of_ones_own_take_the_place_of_the_list(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    text = (files("penstock_client.cost") / "prices.toml").read_text()
    own.write_text(text.replace("usd = 0.0225", "usd = 1.0"))
    assert load_prices(own)["alb-hour"].usd == 1.0
    own.write_text(
        '[alb-hour]\nusd = -1\nunit = "h"\nstatus = "verified"\nsource = "x"\nas_of = "2026"'
    )
    with pytest.raises(ValueError, match="alb-hour"):
        load_prices(own)
    own.write_text("[alb-hour]\nusd = 1")
    with pytest.raises(ValueError, match="unit"):
        load_prices(own)
    assert tomllib.loads(text)["region"] == "us-east-1"


def test_hints_name_what_would_cost_less() -> None:
    shape, measured = load_shape(), load_measured()
    load = replace(LOAD, readings_per_second=2_000.0)
    hints = report.hints(estimate(load, shape=shape, measured=measured, prices=PRICES))
    assert any("--snowflake-minutes" in hint for hint in hints)
    calm = replace(load, snowflake_minutes=0.0, linger_seconds=1.0)
    assert not report.hints(estimate(calm, shape=shape, measured=measured, prices=PRICES))


def test_how_well_the_prices_are_known_is_told_with_the_bill() -> None:
    assert re.search(r"\d+% second-hand, \d+% unverified", report.trust(bill(LOAD)))
