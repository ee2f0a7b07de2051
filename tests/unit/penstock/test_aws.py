import pytest
from penstock.adapters.aws import arn_of
from penstock.adapters.state_machine import machine_arn
from penstock.runtime.settings import CoreSettings
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_an_arn_lies_in_the_partition_of_its_region(region: str, partition: str) -> None:
    arn = arn_of("sns", "penstock-readings", region=region, account="111122223333")
    assert arn == f"arn:{partition}:sns:{region}:111122223333:penstock-readings"


def test_a_state_machine_is_found_by_its_name() -> None:
    assert machine_arn("penstock-training", region="eu-west-1", account="111122223333") == (
        "arn:aws:states:eu-west-1:111122223333:stateMachine:penstock-training"
    )


def test_an_account_is_twelve_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_ACCOUNT", "111122223333")
    assert CoreSettings().account == "111122223333"
    monkeypatch.setenv("PENSTOCK_ACCOUNT", "penstock")
    with pytest.raises(ValidationError, match="account"):
        CoreSettings()
