"""A deployment's file: what is wrong with it is told by key, and all of it at once."""

from pathlib import Path

import pytest
from penstock_infra.config import ConfigError, Deployment, load

CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/0f1e2d3c"
LEAST = """
environment = "dev"
name_prefix = "acme-dev"
protected = false
image_tag = "v1"
certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/0f1e2d3c"
"""
NETWORK = """
[network]
vpc_id = "vpc-0123abcd"
cidr = "10.9.0.0/16"
availability_zones = ["a", "b"]
private_subnets = ["subnet-1", "subnet-2"]
"""


def read(tmp_path: Path, text: str) -> Deployment:
    (tmp_path / "mine.toml").write_text(text)
    return load("mine", folder=tmp_path)


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_files_of_the_repository_want_a_certificate_and_nothing_else(name: str) -> None:
    with pytest.raises(ConfigError, match="certificate_arn is missing") as caught:
        load(name)
    assert str(caught.value).count("\n") == 1
    assert load(name, {"certificate_arn": CERTIFICATE}).environment == name


def test_a_file_of_six_lines_is_enough(tmp_path: Path) -> None:
    made = read(tmp_path, LEAST)
    assert made.egress == "nat"
    assert made.tag_of("console") == "v1"


def test_one_image_may_have_another_tag(tmp_path: Path) -> None:
    made = read(tmp_path, LEAST + '[image_tags]\nconsole = "v2"\n')
    assert (made.tag_of("console"), made.tag_of("ingest-api")) == ("v2", "v1")


def test_an_unknown_deployment_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="there are dev, prod"):
        load("production")


def test_a_file_that_is_not_toml_says_where(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1"):
        read(tmp_path, "environment = dev")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, LEAST.replace("acme-dev", "Acme") + "zones = 4\nlogdays = 30\n")
    told = str(caught.value)
    assert "name_prefix" in told
    assert "zones" in told
    assert "logdays" in told


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('egress = "proxy"', "needs proxy_url"),
        ('egress = "privatelink"', "needs snowflake_endpoint_service"),
        ('[image_tags]\ningest = "v2"', "image_tags names ['ingest']"),
        ("[aurora]\nleast_units = 8\nmost_units = 4", "least_units is above most_units"),
        ("[aurora]\nleast_units = 0.3", "aurora.least_units"),
        (NETWORK.replace('"subnet-1", ', ""), "private_subnets must name one for each"),
        (NETWORK + 'public_subnets = ["subnet-3"]', "public_subnets must name one for each"),
        (NETWORK.replace("vpc-0123abcd", "my-vpc"), "network.vpc_id"),
        ('key_arn = "alias/mine"', "key_arn"),
        ("log_days = 31", "log_days"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, LEAST + more)
    assert told in str(caught.value)


def test_a_network_without_public_subnets_has_its_balancer_inside(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="internal = true"):
        read(tmp_path, LEAST + NETWORK)
    assert read(tmp_path, LEAST + "internal = true\n" + NETWORK).internal
