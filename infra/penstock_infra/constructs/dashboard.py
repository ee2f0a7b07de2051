"""The deployment's dashboard in CloudWatch."""

from aws_cdk import Aws, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct
from penstock.problems import BY_ID

from penstock_infra.alarm_rule import Watched
from penstock_infra.config import Deployment
from penstock_infra.constructs.alarms import SEVERITIES, Alarms
from penstock_infra.dashboard_body import Seen, body


class Dashboard(Construct):
    """One page; it shows alarms too where the deployment has them."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        watched: Watched,
        alarms: Alarms | None,
    ) -> None:
        """Create it under the deployment's prefix."""
        super().__init__(scope, name)
        seen = Seen(
            region=Aws.REGION,
            balancer=watched.balancer,
            machine_arn=watched.machine_arn,
            alarm_arns=_by_severity(alarms) if alarms else {},
        )
        cloudwatch.CfnDashboard(
            self,
            "dashboard",
            dashboard_name=deployment.name_prefix,
            dashboard_body=Stack.of(self).to_json_string(body(deployment, seen)),
        )


def _by_severity(alarms: Alarms) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {severity: [] for severity in SEVERITIES}
    for rule, alarm in zip(alarms.rules, alarms.alarms, strict=True):
        found[BY_ID[rule.problem].severity].append(alarm.attr_arn)
    return found
