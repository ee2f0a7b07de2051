"""Log groups: under our key, kept for as long as the deployment says."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from penstock_infra.config import Deployment

_DAYS = {
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


def log_group(
    scope: Construct, construct_id: str, *, deployment: Deployment, key: kms.IKey, path: str
) -> logs.LogGroup:
    """Make a log group; it goes with its stack unless the deployment protects its data."""
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=path,
        encryption_key=key,
        retention=_DAYS[deployment.log_days],
        removal_policy=RemovalPolicy.RETAIN if deployment.protected else RemovalPolicy.DESTROY,
    )


def log_path(deployment: Deployment, name: str) -> str:
    """Name of the log group of one of our own parts."""
    return f"/penstock/{deployment.name_prefix}/{name}"
