"""Alarms of a deployment, and the two topics that tell people of them."""

from typing import Any

from aws_cdk import Aws
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct
from penstock.problems import BY_ID, Severity
from penstock.resources import physical_name

from penstock_infra import alarms_of_flow, alarms_of_platform
from penstock_infra.alarm_rule import Rule, Watched, told
from penstock_infra.arns import here
from penstock_infra.config import Deployment
from penstock_infra.measures import Formula, Measure

SEVERITIES: tuple[Severity, ...] = ("critical", "warning")
_COMPARISONS = {
    "above": "GreaterThanThreshold",
    "at or above": "GreaterThanOrEqualToThreshold",
    "below": "LessThanThreshold",
}
_Alarm = cloudwatch.CfnAlarm


class Alarms(Construct):
    """One alarm for each rule; `topics` by severity, so that only one of them wakes somebody."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        key: kms.IKey,
        watched: Watched,
    ) -> None:
        """Create topics and alarms."""
        super().__init__(scope, name)
        self._prefix = deployment.name_prefix
        self._runbook_url = deployment.alarms.runbook_url
        self.topics = {severity: self._add_topic(severity, key) for severity in SEVERITIES}
        for position, email in enumerate(deployment.alarms.emails, start=1):
            for severity, topic in self.topics.items():
                sns.CfnSubscription(
                    self,
                    f"email-{position}-{severity}",
                    topic_arn=topic.topic_arn,
                    protocol="email",
                    endpoint=email,
                )
        self.rules = [
            *alarms_of_platform.rules(deployment, watched),
            *alarms_of_flow.rules(deployment),
        ]
        self.alarms = [self._add(rule) for rule in self.rules]

    def _add_topic(self, severity: Severity, key: kms.IKey) -> sns.Topic:
        topic = sns.Topic(
            self,
            f"topic-{severity}",
            topic_name=physical_name(self._prefix, f"alarms-{severity}"),
            display_name=f"{self._prefix} {severity}",
            master_key=key,
            enforce_ssl=True,
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="OurAlarmsTell",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    "ArnLike": {"aws:SourceArn": here("cloudwatch", f"alarm:{self._prefix}-*")},
                },
            )
        )
        return topic

    def _add(self, rule: Rule) -> cloudwatch.CfnAlarm:
        problem = BY_ID[rule.problem]
        tells = [self.topics[problem.severity].topic_arn]
        name = f"{self._prefix}-{rule.problem}-{rule.what}"
        return _Alarm(
            self,
            f"{rule.problem}-{rule.what}",
            alarm_name=name,
            alarm_description=told(problem, self._runbook_url),
            comparison_operator=_COMPARISONS[rule.rings],
            threshold=rule.limit,
            evaluation_periods=rule.times,
            datapoints_to_alarm=rule.times,
            treat_missing_data="breaching" if rule.rings_unmeasured else "notBreaching",
            alarm_actions=tells,
            ok_actions=tells,
            **_watching(rule.watches),
        )


def _watching(watched: Measure | Formula) -> dict[str, Any]:
    if isinstance(watched, Measure):
        return {
            "namespace": watched.namespace,
            "metric_name": watched.name,
            "dimensions": _dimensions(watched),
            "statistic": watched.statistic,
            "period": watched.seconds,
        }
    result = _Alarm.MetricDataQueryProperty(
        id="watched",
        expression=watched.expression,
        return_data=True,
        # A formula over measures has their period; a query of Metrics Insights must name its own.
        period=None if watched.of else watched.seconds,
    )
    return {"metrics": [*(_input(name, one) for name, one in watched.of.items()), result]}


def _input(name: str, measure: Measure) -> cloudwatch.CfnAlarm.MetricDataQueryProperty:
    metric = _Alarm.MetricProperty(
        namespace=measure.namespace, metric_name=measure.name, dimensions=_dimensions(measure)
    )
    return _Alarm.MetricDataQueryProperty(
        id=name,
        metric_stat=_Alarm.MetricStatProperty(
            metric=metric, period=measure.seconds, stat=measure.statistic
        ),
        return_data=False,
    )


def _dimensions(measure: Measure) -> list[cloudwatch.CfnAlarm.DimensionProperty]:
    return [
        _Alarm.DimensionProperty(name=key, value=value) for key, value in measure.dimensions.items()
    ]
