from penstock.resources import COMMANDS
from penstock_local.addresses import by_own_names, on_loopback
from penstock_local.environment import (
    aws_variables,
    inherited,
    service_variables,
    sources_within,
    stack_variables,
)
from penstock_local.ports import ALL_ADDRESSES, DEFAULT_PORTS


def test_a_part_never_sees_another_aws_of_the_one_who_starts_it() -> None:
    mine = {"AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "secret", "PATH": "/bin"}
    environment = inherited(mine) | aws_variables("http://127.0.0.1:4566")
    assert environment["PATH"] == "/bin"
    assert "AWS_PROFILE" not in environment
    assert "AWS_SESSION_TOKEN" not in environment
    assert environment["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"


def test_the_loopback_addresses_go_round_any_proxy() -> None:
    environment = inherited({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "intranet"})
    assert "127.0.0.1" in environment["NO_PROXY"]


def test_in_containers_every_part_is_reached_by_its_own_name() -> None:
    shared = stack_variables(by_own_names(DEFAULT_PORTS))
    (writer,) = [command for command in COMMANDS if command.name == "results-writer"]
    own = service_variables(writer, by_own_names(DEFAULT_PORTS), listen_on=ALL_ADDRESSES)

    assert shared["AWS_ENDPOINT_URL"] == "http://aws:4566"
    assert shared["AWS_ENDPOINT_URL_SAGEMAKER"] == "http://sagemaker:4567"
    assert shared["PENSTOCK_AURORA_DSN"] == "postgresql://postgres@postgres:54321/penstock"
    assert own["RESULTS_WRITER_SNOWFLAKE__HOST"] == "snowflake"
    assert own["RESULTS_WRITER_HOST"] == ALL_ADDRESSES
    assert not any("127.0.0.1" in value for value in (shared | own).values())


def test_only_where_it_is_asked_for_may_sources_be_on_this_machine() -> None:
    assert not any("SOURCES" in name for name in stack_variables(on_loopback(DEFAULT_PORTS)))
    within = sources_within(["10.217.58.0/24"])
    assert within == {"PENSTOCK_SOURCES_PRIVATE_CIDRS": '["10.217.58.0/24"]'}
