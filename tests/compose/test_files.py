"""The compose files fit together, also those that could never be run here."""

import json
from typing import Any

import pytest

from tests.compose.containers import docker

STAND_INS = ("docker-compose.localstack.yml", "docker-compose.postgres.yml")


def merged(*files: str, **env: str) -> dict[str, Any]:
    words = [word for file in ("docker-compose.yml", *files) for word in ("-f", file)]
    return dict(json.loads(docker("compose", *words, "config", "--format", "json", env=env)))


@pytest.mark.parametrize("file", STAND_INS)
def test_another_image_stands_in_and_nobody_else_notices(file: str) -> None:
    ours, theirs = merged()["services"], merged(file)["services"]
    name = "aws" if "localstack" in file else "postgres"
    assert theirs[name]["image"] != ours[name]["image"]
    assert "penstock_local" not in " ".join(theirs[name]["command"] or ())
    assert {key: one for key, one in theirs.items() if key != name} == {
        key: one for key, one in ours.items() if key != name
    }


def test_the_images_of_the_stand_ins_and_the_port_are_chosen_by_variables() -> None:
    chosen = merged(
        AWS_EMULATOR_IMAGE="aws:1", POSTGRES_IMAGE="postgres:2", PENSTOCK_TAG="3",
        PENSTOCK_PORT="9090", PENSTOCK_PLANT_SUBNET="10.9.8.0/24",
    )  # fmt: skip
    services = chosen["services"]
    assert services["aws"]["image"] == "aws:1"
    assert services["postgres"]["image"] == "postgres:2"
    assert services["console"]["image"] == "penstock/console:3"
    assert services["front-door"]["ports"][0]["published"] == "9090"
    assert services["front-door"]["ports"][0]["host_ip"] == "127.0.0.1"
    told = services["training-fetcher"]["environment"]["PENSTOCK_SOURCES_PRIVATE_CIDRS"]
    assert json.loads(told) == ["10.9.8.0/24"]
