import pytest
from pydantic import SecretStr, ValidationError
from results_writer.settings import Settings
from results_writer.snowflake_session import connect_arguments


def test_every_sink_is_enabled_by_default_and_a_list_names_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().sinks == ("aurora", "snowflake", "lake", "latest")
    monkeypatch.setenv("RESULTS_WRITER_SINKS", "lake, latest")
    assert Settings().sinks == ("lake", "latest")


def test_nested_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "AURORA__DSN": "postgresql://u:p@h/d",
        "SNOWFLAKE__ACCOUNT": "acme",
        "SNOWFLAKE__USER": "penstock",
        "SNOWFLAKE__PASSWORD": "very secret",
        "SNOWFLAKE__SCHEMA": "RESULTS",
        "SNOWFLAKE__CAN_REMOVE": "false",
        "BATCHES__SNOWFLAKE__MAX_AGE_SECONDS": "2",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"RESULTS_WRITER_{name}", value)
    settings = Settings()
    assert settings.aurora is not None
    assert settings.aurora.dsn == SecretStr("postgresql://u:p@h/d")
    assert settings.snowflake is not None
    assert settings.snowflake.schema_name == "RESULTS"
    assert settings.snowflake.can_remove is False
    assert settings.batches["snowflake"].max_age_seconds == 2
    assert "very secret" not in repr(settings)
    arguments = connect_arguments(settings.snowflake)
    assert arguments["password"] == "very secret"
    assert arguments["schema"] == "RESULTS"


def test_a_batch_may_not_grow_older_than_a_third_of_the_longest_visibility(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RESULTS_WRITER_BATCHES__LAKE__MAX_AGE_SECONDS", "61")
    with pytest.raises(ValidationError, match="less than or equal to 60"):
        Settings()
