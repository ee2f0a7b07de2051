"""The collector of a deployment: its metrics are those of the list, and it fits any region."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from penstock.metrics import METRICS, SERVICE_DIMENSION, cloudwatch_namespace

PATH = Path(__file__).parents[3] / "infra/collector.yaml"


@pytest.fixture
def configuration() -> Any:
    return yaml.safe_load(PATH.read_text())


def test_every_metric_is_declared_with_its_dimensions_and_no_other(configuration: Any) -> None:
    exporter = configuration["exporters"]["awsemf"]
    declared: dict[str, set[tuple[str, ...]]] = {}
    for declaration in exporter["metric_declarations"]:
        for selector in declaration["metric_name_selectors"]:
            (name,) = re.fullmatch(r"\^(\w+)\$", selector).groups()  # type: ignore[union-attr]  # it must match
            assert name not in declared
            declared[name] = {tuple(dimensions) for dimensions in declaration["dimensions"]}
    assert declared == {metric.exposed_name: set(metric.dimensions) for metric in METRICS}
    assert exporter["namespace"] == cloudwatch_namespace("${env:PENSTOCK_NAME_PREFIX}")


def test_what_is_looked_at_says_which_service_it_is(configuration: Any) -> None:
    (job,) = configuration["receivers"]["prometheus"]["config"]["scrape_configs"]
    (target,) = job["static_configs"]
    assert target["labels"] == {SERVICE_DIMENSION: "${env:PENSTOCK_SERVICE}"}
    assert target["targets"] == ["127.0.0.1:${env:PENSTOCK_METRICS_PORT}"]


def test_every_part_of_a_pipeline_is_there(configuration: Any) -> None:
    for pipeline in configuration["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(configuration[kind]), kind


def test_no_region_and_no_account_is_written_down() -> None:
    assert not re.search(r"\b[a-z]{2}-(north|south|east|west|central)\w*-\d|\b\d{12}\b",
                         PATH.read_text())  # fmt: skip
