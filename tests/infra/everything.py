"""A deployment with every switch on and every setting of the extras given."""

from typing import Any

from penstock_infra.config import Deployment
from penstock_infra.extras_config import Extras

from tests.infra.synthesis import make_deployment

PRINCIPAL = "arn:aws:quicksight:eu-west-1:111122223333:user/default/ana"
GATEWAY_KEY = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:penstock/devices-AbCdEf"
TRANSFORM = "arn:aws:lambda:eu-west-1:111122223333:function:clean-device-messages"
RUNBOOK = "https://github.com/acme/penstock/blob/main/docs/operations.md"

SETTINGS: dict[str, Any] = {
    "domain_name": "penstock.example.com",
    "snowflake": {"account": "acme-eu", "user": "PENSTOCK"},
    "extras": dict.fromkeys(Extras.model_fields, True),
    "devices": {"gateway_key_secret_arn": GATEWAY_KEY, "requests_per_second": 40},
    "delivery": {"buffer_seconds": 120, "buffer_mib": 128, "transform_arn": TRANSFORM},
    "analytics": {
        "first_day": "2024-06-01",
        "gib_per_query": 7,
        "crawl_at": "cron(0 3 * * ? *)",
        "spark_script": "s3://penstock-code/prepare.py",
        "spark_workers": 4,
        "quicksight_principal_arn": PRINCIPAL,
    },
    "alarms": {
        "runbook_url": RUNBOOK,
        "emails": ("ops@example.com",),
        "silent_minutes": 15,
        "endpoints": ("pump-failure",),
    },
}


def make_everything() -> Deployment:
    """The deployment `prod` with all of it."""
    return make_deployment("prod", **SETTINGS)
