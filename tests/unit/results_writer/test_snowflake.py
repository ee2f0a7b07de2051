"""What can be told without a Snowflake: statements, the columns' one list, keys, the thread."""

import asyncio
import gc
import re
import threading

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from penstock.domain.errors import InvalidInput, StoreUnavailable
from pydantic import SecretStr
from results_writer import snowflake_rows as rows
from results_writer import snowflake_schema as schema
from results_writer.snowflake_session import (
    SnowflakeSession,
    SnowflakeSettings,
    connect_arguments,
)

from tests.factories import make_prediction
from tests.fixtures.waiting import PATIENCE_SECONDS

CONTRACT = {
    "PREDICTIONS": (
        "PREDICTION_ID RUN REVISION SITE ASSET ASSET_TYPE BINDING MODEL MODEL_VERSION VARIANT KIND"
        " EVENT_TIME VALUE PROBABILITY DECISION THRESHOLD QUALITY FEATURES_MISSING FLAGS"
        " RECEIVED_AT PREDICTED_AT LOADED_AT BATCH_ID"
    ),
    "FORECAST_POINTS": "PREDICTION_ID STEP TARGET_TIME MEAN P10 P50 P90 QUANTILES REVISION",
    "LOADS": "BATCH_ID ROWS_IN ROWS_NEW ROWS_CORRECTED COMPLETE_TO LOADED_AT",
}


@pytest.mark.parametrize("table", CONTRACT)
def test_the_columns_that_analysts_were_promised_are_there(table: str) -> None:
    columns, _ = schema.TABLES[table]
    assert set(CONTRACT[table].split()) <= {column.name for column in columns}


def test_every_column_has_a_comment_without_a_quote() -> None:
    for columns, _ in schema.TABLES.values():
        for column in columns:
            assert column.comment
            assert "'" not in column.comment


def test_the_parquet_file_has_the_columns_that_are_copied_from_it() -> None:
    table = rows.to_table([make_prediction(), make_prediction(probability=None)])
    statement = rows.copy_incoming("batch.parquet")
    assert re.findall(r"\$1:(\w+)", statement) == table.column_names
    assert "@PENSTOCK_LOADS/batch.parquet" in statement


def test_a_merge_is_bounded_by_the_times_of_its_batch() -> None:
    assert "kept.EVENT_TIME BETWEEN %(since)s AND %(until)s" in rows.MERGE


def make_settings(**changes: object) -> SnowflakeSettings:
    return SnowflakeSettings.model_validate({"account": "acme", "user": "penstock", **changes})


@pytest.mark.parametrize("passphrase", [None, "between us"])
def test_a_key_pair_comes_before_a_password_in_any_form_of_pem(passphrase: str | None) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption(),
    ).decode()
    der = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for text in (pem, pem.replace("\n", "\\n")):
        settings = make_settings(
            private_key=SecretStr(text), private_key_passphrase=passphrase, password="old"
        )
        arguments = connect_arguments(settings)
        assert arguments["private_key"] == der
        assert "password" not in arguments


@pytest.mark.parametrize("secret", [{}, {"private_key": "not a key"}])
def test_without_a_usable_secret_it_is_told_at_once(secret: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="key"):
        connect_arguments(make_settings(**secret))


async def test_a_thread_that_hangs_is_left_behind() -> None:
    release = threading.Event()
    settings = make_settings(password="p", connect_seconds=0.05)

    class Hanging(SnowflakeSession):
        def _connect(self) -> object:
            release.wait(PATIENCE_SECONDS)
            return None

    session = Hanging(settings, prepare=lambda _: None)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(3):
                with pytest.raises(StoreUnavailable, match="no answer within"):
                    await session.run(lambda _: None)
    finally:
        release.set()
        await session.close()


async def test_what_was_given_up_before_its_thread_began_is_not_done() -> None:
    """A busy machine starts a thread late: what nobody waits for any more ends without a word."""
    done: list[int] = []

    class Late(SnowflakeSession):
        def _connect(self) -> object:
            return None

    settings = make_settings(password="p", connect_seconds=1e-9)
    session = Late(settings, prepare=lambda _: None)
    for _ in range(200):
        with pytest.raises(StoreUnavailable, match="no answer within"):
            await session.run(lambda _: done.append(1))
    await session.close()
    gc.collect()
    assert done == []
