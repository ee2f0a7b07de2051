from pathlib import Path

from penstock.resources import COMMANDS
from penstock_local.part import in_order
from penstock_local.parts import INFRASTRUCTURE, all_parts
from penstock_local.ports import DEFAULT_PORTS

PARTS = {part.name: part for part in all_parts(Path("/state"), DEFAULT_PORTS, {"PATH": "/bin"})}
OBSERVED = {
    part.name: part
    for part in all_parts(Path("/state"), DEFAULT_PORTS, {"PATH": "/bin"}, observe=True)
}
SERVICES = {command.name for command in COMMANDS}


def test_every_part_has_its_place_and_every_port_its_part() -> None:
    assert set(PARTS) == {*INFRASTRUCTURE, *SERVICES, "front-door"}
    assert set(OBSERVED) == {*PARTS, "traces"}
    assert {name: part.port for name, part in OBSERVED.items() if part.port} == DEFAULT_PORTS


def test_traces_are_recorded_only_where_somebody_shows_them() -> None:
    for name in SERVICES:
        assert "PENSTOCK_OTLP_ENDPOINT" not in PARTS[name].env
        assert OBSERVED[name].env["PENSTOCK_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
        assert OBSERVED[name].env["PENSTOCK_TRACES_RATIO"] == "1"
        assert "traces" in OBSERVED[name].depends_on, "so that its last spans still arrive"


def test_stand_ins_come_before_bootstrap_and_people_come_last() -> None:
    names = [part.name for generation in in_order(PARTS.values()) for part in generation]
    assert names.index("aws") < names.index("bootstrap") < names.index("ingest-api")
    assert names[-1] == "front-door"


def test_a_service_is_told_where_it_listens_and_where_everything_is() -> None:
    env = PARTS["results-writer"].env
    assert env["RESULTS_WRITER_HOST"] == "127.0.0.1"
    assert env["RESULTS_WRITER_PORT"] == "8085"
    assert env["RESULTS_WRITER_AURORA__DSN"] == "postgresql://postgres@127.0.0.1:54321/penstock"
    assert env["RESULTS_WRITER_SNOWFLAKE__PORT"] == "4800"
    assert env["RESULTS_WRITER_SNOWFLAKE__DATABASE"] == "PENSTOCK"
    assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert env["AWS_ENDPOINT_URL_SAGEMAKER"] == "http://127.0.0.1:4567"
    assert env["PENSTOCK_NAME_PREFIX"] == "penstock"


def test_only_the_services_that_use_aurora_get_its_dsn() -> None:
    told = {
        name for name in SERVICES if any(key.endswith("_AURORA__DSN") for key in PARTS[name].env)
    }
    assert told == {command.name for command in COMMANDS if command.uses_aurora}


def test_a_service_has_the_time_to_drain_that_fargate_gives() -> None:
    for command in COMMANDS:
        assert PARTS[command.name].stop_timeout_seconds == command.stop_seconds


def test_our_own_environment_may_change_a_default_but_not_an_address() -> None:
    mine = {"CONSOLE_RECEIVE_WAIT_SECONDS": "20", "CONSOLE_PORT": "1", "AWS_ENDPOINT_URL": "else"}
    env = next(p for p in all_parts(Path("/s"), DEFAULT_PORTS, mine) if p.name == "console").env
    assert env["CONSOLE_RECEIVE_WAIT_SECONDS"] == "20"
    assert env["CONSOLE_PORT"] == "8083"
    assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert PARTS["console"].env["CONSOLE_RECEIVE_WAIT_SECONDS"] == "2"
