import json

import pytest
from penstock_client.cli import app
from typer.testing import CliRunner, Result


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["cost", *options], env={"COLUMNS": "160", "NO_COLOR": "1"})


def test_json_has_the_whole_bill() -> None:
    result = run("--gateways", "5", "--readings-per-second", "100", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["load"]["gateways"] == 5
    assert found["usd_per_month"] == pytest.approx(
        sum(c["usd_per_month"] for c in found["components"].values())
    )
    assert found["usd_per_month"] > found["usd_per_month_idle"] > 0
    assert {line["price"]["status"] for line in found["lines"]} == {"second-hand", "unverified"}
    assert {size["command"] for size in found["sizes"]} >= {"ingest-api", "training-preparer"}


def test_idle_tells_only_what_nothing_sent_costs() -> None:
    found = json.loads(run("--idle", "--json").output)
    assert found["usd_per_month"] == found["usd_per_month_idle"]
    assert found["usd_per_million_readings"] is None


def test_endpoints_are_named_with_how_many() -> None:
    found = json.loads(
        run("--endpoint", "ml.c5.xlarge=2", "--endpoint", "ml.m5.large=1", "--json").output
    )
    lines = {line["what"]: line["usd_per_month"] for line in found["lines"]}
    assert lines["2 × ml.c5.xlarge"] == pytest.approx(2 * 730 * 0.204)
    assert lines["1 × ml.m5.large"] == pytest.approx(730 * 0.115)


def test_the_table_ends_with_the_sum_and_how_well_prices_are_known() -> None:
    output = run().output
    assert "in all" in output
    assert "second-hand" in output
    assert "| sqs-request |" in run("--detail", "--markdown").output


def test_sizes_judge_every_command() -> None:
    output = run("--sizes", "--markdown").output
    assert "| inference-worker |" in output
    assert "of the memory" in output
    assert "better" in run("--sizes").output


def test_what_cannot_be_ends_with_words() -> None:
    result = run("--endpoint", "ml.m5.large")
    assert result.exit_code == 1
    assert "ml.m5.large=2" in result.output
    assert run("--tags-per-asset", "0").exit_code == 1
