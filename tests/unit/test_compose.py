"""docker-compose.yml says by hand what penstock.resources and penstock_local say in code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from penstock.command import Command
from penstock.resources import COMMANDS, OTHER_PATHS, PATH_RULES
from penstock_algorithms.registry import algorithm_names
from penstock_local.addresses import backends, by_own_names
from penstock_local.environment import (
    SAGEMAKER_ROLE,
    own_access_key,
    service_defaults,
    service_variables,
    sources_within,
    stack_variables,
)
from penstock_local.parts import ALSO_AFTER
from penstock_local.ports import ALL_ADDRESSES, DEFAULT_PORTS

ROOT = Path(__file__).parents[2]
PLANT_SUBNET = "10.217.58.0/24"
STAND_INS = ("aws", "sagemaker", "postgres", "snowflake")
ENDING = {"bootstrap", "demo"}
"""Services that do their work and end."""

Service = dict[str, Any]


def _with_defaults(text: str) -> str:
    """Fill in every `${NAME:-default}`, as compose does where nothing is set."""
    while (filled := re.sub(r"\$\{\w+:-([^${}]*)\}", r"\1", text)) != text:
        text = filled
    return text


FILE: dict[str, Any] = yaml.safe_load(_with_defaults((ROOT / "docker-compose.yml").read_text()))
SERVICES: dict[str, Service] = FILE["services"]
RUNNING = {name: one for name, one in SERVICES.items() if "images" not in one.get("profiles", [])}

each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
each_running = pytest.mark.parametrize("name", RUNNING)


def environment_of(name: str) -> dict[str, str]:
    return {key: str(value) for key, value in SERVICES[name].get("environment", {}).items()}


def shared_environment() -> dict[str, str]:
    return stack_variables(by_own_names(DEFAULT_PORTS)) | sources_within([PLANT_SUBNET])


def test_it_runs_every_command_and_stand_in_and_nothing_else() -> None:
    commands = {command.name for command in COMMANDS}
    others = {*STAND_INS, *ENDING, "front-door", "simulator"}
    assert set(RUNNING) == commands | others


@each_command
def test_a_command_runs_from_its_image_as_resources_say(command: Command) -> None:
    service = SERVICES[command.name]
    assert service["command"] == [command.name]
    assert service["image"] == f"penstock/{command.image}:dev"
    assert service["stop_grace_period"] == f"{command.stop_seconds}s"
    assert service["mem_limit"] == f"{command.memory_mib}m"
    assert service["cpus"] <= command.cpu / 1024
    assert environment_of(command.name)[f"{command.settings_prefix}_PORT"] == str(command.port)


@each_command
def test_a_command_is_told_what_the_embedded_stack_tells_it(command: Command) -> None:
    addresses = by_own_names(DEFAULT_PORTS)
    wanted = service_defaults(command) | shared_environment()
    wanted |= service_variables(command, addresses, listen_on=ALL_ADDRESSES)
    assert environment_of(command.name) == wanted


@each_command
def test_a_command_starts_after_all_that_it_needs(command: Command) -> None:
    after = SERVICES[command.name]["depends_on"]
    assert after["bootstrap"] == {"condition": "service_completed_successfully"}
    for needed in ("aws", *ALSO_AFTER.get(command.name, ())):
        assert after[needed] == {"condition": "service_healthy"}


@each_command
def test_any_number_of_a_command_can_run(command: Command) -> None:
    service = SERVICES[command.name]
    assert "container_name" not in service
    assert "hostname" not in service
    assert "ports" not in service


def test_every_image_is_built_once() -> None:
    built: dict[str, list[Service]] = {}
    for service in SERVICES.values():
        if "build" in service:
            built.setdefault(service["image"], []).append(service["build"])
    ours = {one["image"] for one in SERVICES.values()}
    assert set(built) == ours
    assert all(len(builds) == 1 for builds in built.values())
    for image in {command.image for command in COMMANDS}:
        (build,) = built[f"penstock/{image}:dev"]
        assert build["target"] == "service"
        assert build["args"]["SERVICE"] == image
    for algorithm in algorithm_names():
        (build,) = built[f"penstock/algorithm-{algorithm}:dev"]
        assert build["args"]["ALGORITHM"] == algorithm


@pytest.mark.parametrize("name", STAND_INS)
def test_a_stand_in_listens_where_others_look_for_it(name: str) -> None:
    service = SERVICES[name]
    command = [str(word) for word in service["command"]]
    assert command[command.index("--port") + 1] == str(DEFAULT_PORTS[name])
    host = (
        environment_of(name).get("PENSTOCK_SAGEMAKER_HOST", "")
        or command[command.index("--host") + 1]
    )
    assert host == ALL_ADDRESSES
    assert service["volumes"] == [f"{name}:/state"]
    assert name in FILE["volumes"]


def test_sagemaker_tells_who_it_is_when_it_acts_for_a_model() -> None:
    told = environment_of("sagemaker")
    assert told.pop("PENSTOCK_SAGEMAKER_HOST") == ALL_ADDRESSES
    assert told == shared_environment() | own_access_key(SAGEMAKER_ROLE)


@pytest.mark.parametrize("name", ["bootstrap", "demo", "postgres"])
def test_whoever_looks_into_the_stack_is_told_of_all_of_it(name: str) -> None:
    assert environment_of(name) == shared_environment()


def test_the_front_door_has_the_path_rules_of_the_load_balancer() -> None:
    services = dict.fromkeys((*(rule.command for rule in PATH_RULES), OTHER_PATHS))
    told = [word for word in SERVICES["front-door"]["command"] if word.startswith("--backend")]
    assert told == backends(by_own_names(DEFAULT_PORTS), services)
    assert set(SERVICES["front-door"]["depends_on"]) == set(services)


def test_the_front_door_alone_is_reached_from_this_machine_and_from_no_other() -> None:
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert published == {"front-door": ["127.0.0.1:8080:8080"]}


@each_running
def test_whatever_runs_is_locked_down_and_bounded(name: str) -> None:
    service = RUNNING[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"][0].startswith("/tmp:size=")  # noqa: S108 - inside a container
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()
    assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & service.keys()


@each_running
def test_whatever_goes_on_running_says_whether_it_is_well_and_comes_back(name: str) -> None:
    if name in ENDING:
        assert service_ends(name)
        return
    assert RUNNING[name]["restart"] == "unless-stopped"
    assert RUNNING[name]["healthcheck"]["test"][:2] == ["CMD", "python"]


def service_ends(name: str) -> bool:
    return RUNNING[name]["restart"] in {"no", "on-failure:3"}


def test_sources_reach_the_simulated_plant_and_none_of_the_stores() -> None:
    assert FILE["networks"]["plant"]["ipam"]["config"] == [{"subnet": PLANT_SUBNET}]
    on_it = {name for name, one in SERVICES.items() if "plant" in one.get("networks", [])}
    assert on_it == {"simulator", "training-fetcher"}
    assert SERVICES["simulator"]["networks"] == ["plant"]
