"""A deployment's file is refused where its extras do not fit together, in words."""

from typing import Any

import pytest
from penstock_infra.config import ConfigError, Deployment, load
from penstock_infra.extras_config import Extras

CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/0f1e2d3c"
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:penstock/devices-AbCdEf"


def make(**changes: Any) -> Deployment:
    return load("prod", {"certificate_arn": CERTIFICATE, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"extras": {"analytics": False}}, "delivery needs analytics: switch delivery off too"),
        ({"extras": {"iot": False, "analytics": False}}, "delivery needs iot and analytics"),
        (
            {"extras": {"analytics": False, "delivery": False, "crawler": True}},
            "crawler needs analytics",
        ),
        ({"extras": {"spark_prepare": True}}, "needs analytics.spark_script"),
        ({"extras": {"quicksight": True}}, "needs analytics.quicksight_principal_arn"),
        ({"devices": {"gateway_key_secret_arn": SECRET}}, "needs a domain_name"),
        (
            {
                "devices": {"gateway_key_secret_arn": SECRET},
                "domain_name": "penstock.example.com",
                "internal": True,
            },
            "internal = false",
        ),
        ({"delivery": {"buffer_mib": 32}}, "delivery.buffer_mib"),
        ({"alarms": {"runbook_url": "http://runbook.example.com"}}, "alarms.runbook_url"),
        ({"alarms": {"silent_minutes": 15}, "traces": False}, "needs traces = true"),
        ({"alarms": {"ring_tone": "loud"}}, "alarms.ring_tone"),
    ],
)
def test_a_file_that_does_not_fit_together_is_refused_in_words(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**changes)


def test_the_files_of_the_repository_fit_together() -> None:
    assert make().extras.analytics
    dev = load("dev", {"certificate_arn": CERTIFICATE})
    assert not dev.extras.alarms


def test_what_needs_more_than_a_switch_is_off_by_default() -> None:
    off = {name for name, is_on in Extras().model_dump().items() if not is_on}
    assert off == {"crawler", "spark_prepare", "quicksight"}
