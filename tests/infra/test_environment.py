"""What tasks are told is what the services' Settings classes read."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import console.settings
import inference_worker.settings
import ingest_api.settings
import pytest
import results_writer.settings
import training_orchestrator.fetcher_app
import training_orchestrator.preparer_app
import training_orchestrator.settings
from penstock.command import Command
from penstock.resources import COMMANDS
from penstock.runtime.settings import CoreSettings
from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo

from tests.infra.reading import as_text
from tests.infra.synthesis import Synthesized

SETTINGS: dict[str, type[CoreSettings]] = {
    "ingest-api": ingest_api.settings.Settings,
    "inference-worker": inference_worker.settings.Settings,
    "results-writer": results_writer.settings.Settings,
    "console": console.settings.Settings,
    "training-orchestrator": training_orchestrator.settings.Settings,
    "training-fetcher": training_orchestrator.fetcher_app.FetcherSettings,
    "training-preparer": training_orchestrator.preparer_app.PreparerSettings,
}
VALUES = {
    "<AWS::AccountId>": "111122223333",
    "<AWS::Region>": "eu-central-1",
    "<AWS::Partition>": "aws",
    "<AWS::URLSuffix>": "amazonaws.com",
}
SECRETS = {
    "PENSTOCK_API_TOKENS": "{}",
    "RESULTS_WRITER_SNOWFLAKE__PRIVATE_KEY": "pem",
    "RESULTS_WRITER_SNOWFLAKE__PRIVATE_KEY_PASSPHRASE": "",
}

_DEAD_LETTER_WAIT = "dead_letter_wait_seconds"


def _told(synthesized: Synthesized, command: str) -> dict[str, str]:
    """Environment of a command's container as the process will see it."""
    for task in synthesized.resources("AWS::ECS::TaskDefinition").values():
        for container in task["Properties"]["ContainerDefinitions"]:
            if container["Name"] == command:
                plain = {v["Name"]: _filled(v["Value"]) for v in container["Environment"]}
                secret = {v["Name"]: SECRETS[v["Name"]] for v in container.get("Secrets", [])}
                return plain | secret
    raise AssertionError(f"no container {command}")


def _filled(value: Any) -> str:
    text = as_text(value)
    for place, one in VALUES.items():
        text = text.replace(place, one)
    return text


def _names(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Every variable that a Settings class reads."""
    for name, field in model.model_fields.items():
        for alias in _aliases(name, field):
            yield from _nested(field, f"{prefix}{alias}".upper())
            yield from _nested(field, alias.upper())


def _aliases(name: str, field: FieldInfo) -> list[str]:
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [field.alias or name]


def _nested(field: FieldInfo, name: str) -> Iterator[str]:
    yield name
    for part in (field.annotation, *get_args(field.annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            for inner, inner_field in part.model_fields.items():
                yield f"{name}__{(inner_field.alias or inner).upper()}"
                yield f"{name}__{inner.upper()}"


PROXY = "http://proxy.acme.example:3128"


@pytest.fixture(params=COMMANDS, ids=lambda command: command.name)
def command(request: pytest.FixtureRequest) -> Command:
    found: Command = request.param
    return found


def test_every_variable_is_read_by_somebody(command: Command, full: Synthesized) -> None:
    known = set(_names(SETTINGS[command.name], f"{command.settings_prefix}_"))
    if command.name == "results-writer":  # Snowflake's connector knows no other way
        known |= {"HTTPS_PROXY", "NO_PROXY"}
    assert set(_told(full, command.name)) <= known


def test_whoever_reaches_out_is_told_the_proxy(full: Synthesized) -> None:
    found = {
        command.name: sorted(name for name, value in told.items() if value == PROXY)
        for command in COMMANDS
        if (told := _told(full, command.name)) and PROXY in told.values()
    }
    assert found == {
        "results-writer": ["HTTPS_PROXY"], "training-fetcher": ["PENSTOCK_SOURCES_PROXY"],
    }  # fmt: skip


def test_the_settings_are_complete(
    command: Command, full: Synthesized, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _told(full, command.name).items():
        monkeypatch.setenv(name, value)
    settings: Any = SETTINGS[command.name]()
    assert settings.host == "0.0.0.0"  # noqa: S104 -- what a task listens on
    assert settings.port == command.port
    assert settings.environment == "prod"
    assert settings.name_prefix == full.deployment.name_prefix
    assert settings.region == "eu-central-1"
    # A stop drains, waits out a long poll and closes, all before it is killed.
    waits = [getattr(settings, name, 0) for name in ("receive_wait_seconds", _DEAD_LETTER_WAIT)]
    assert settings.drain_seconds + max(waits) < command.stop_seconds
    if "PENSTOCK_API_TOKENS" in _told(full, command.name):
        assert settings.oidc.issuer.startswith("https://cognito-idp.eu-central-1.amazonaws.com/")
        assert settings.oidc.audience
    if command.uses_aurora:
        assert settings.aurora.iam is True
        assert "password" not in settings.aurora.dsn.get_secret_value()
        assert "user=penstock_service" in settings.aurora.dsn.get_secret_value()


def test_no_secret_is_a_plain_variable(full: Synthesized) -> None:
    for task in full.resources("AWS::ECS::TaskDefinition").values():
        for container in task["Properties"]["ContainerDefinitions"]:
            plain = {variable["Name"] for variable in container.get("Environment", [])}
            assert not plain & (set(SECRETS) | {"PGPASSWORD"}), container["Name"]


def test_images_of_algorithms_are_the_accounts_own(full: Synthesized) -> None:
    images = json.loads(_told(full, "training-orchestrator")["TRAINING_ORCHESTRATOR_IMAGES"])
    assert set(images) == {"xgboost", "randomcutforest"}


def test_the_collector_knows_whom_it_is_beside(full: Synthesized) -> None:
    for command in COMMANDS:
        for task in full.resources("AWS::ECS::TaskDefinition").values():
            names = {c["Name"]: c for c in task["Properties"]["ContainerDefinitions"]}
            if command.name in names:
                (variable,) = names["collector"]["Environment"]
        filled = _filled(variable["Value"])
        assert "${" not in filled
        told = json.loads(filled)
        (job,) = told["receivers"]["prometheus"]["config"]["scrape_configs"]
        (target,) = job["static_configs"]
        assert target["targets"] == [f"127.0.0.1:{command.port}"]
        assert target["labels"] == {"service": command.name}
        assert told["exporters"]["awsemf"]["log_group_name"] == "/penstock/penstock-prod/metrics"
