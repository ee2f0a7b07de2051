"""How many tasks run: by CPU or by the backlog of each queue, see `penstock.domain.scaling`."""

from typing import TypeAlias, cast

from aws_cdk import Duration
from aws_cdk import aws_applicationautoscaling as scaling
from aws_cdk import aws_ecs as ecs
from constructs import Construct
from penstock.channel import Queue
from penstock.command import OnBacklog, OnCpu
from penstock.domain.scaling import (
    IN_COOLDOWN_MINUTES,
    OUT_COOLDOWN_MINUTES,
    cloudwatch_expression,
)
from penstock.metrics import SERVICE_DIMENSION, cloudwatch_namespace
from penstock.resources import physical_name

from penstock_infra.config import Deployment
from penstock_infra.constructs.command_service import CommandService
from penstock_infra.sizes import least_tasks, most_tasks

_Metric: TypeAlias = scaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty
_Stat = scaling.CfnScalingPolicy.TargetTrackingMetricStatProperty
_OneMetric = scaling.CfnScalingPolicy.TargetTrackingMetricProperty
_Dimension = scaling.CfnScalingPolicy.TargetTrackingMetricDimensionProperty


class Autoscaling(Construct):
    """Bounds and policies of one service."""

    def __init__(
        self, scope: Construct, name: str, *, made: CommandService, deployment: Deployment
    ) -> None:
        """Add the policies that the command asks for."""
        super().__init__(scope, name)
        self._made = made
        self._deployment = deployment
        command = made.command
        self._target = made.service.auto_scale_task_count(
            min_capacity=least_tasks(command, deployment),
            max_capacity=most_tasks(command, deployment),
        )
        match command.scaling:
            case OnCpu(percent=percent):
                self._by_cpu(percent)
            case OnBacklog(messages_per_task=messages):
                for queue in command.consumes:
                    self._by_backlog(queue, messages)

    def _by_cpu(self, percent: int) -> None:
        self._target.scale_on_cpu_utilization(
            "cpu",
            target_utilization_percent=percent,
            scale_out_cooldown=Duration.minutes(OUT_COOLDOWN_MINUTES),
            scale_in_cooldown=Duration.minutes(IN_COOLDOWN_MINUTES),
        )

    def _by_backlog(self, queue: Queue, messages: int) -> None:
        tracked = scaling.CfnScalingPolicy.CustomizedMetricSpecificationProperty(
            metrics=[*self._inputs(queue), _result(cloudwatch_expression(messages))]
        )
        scaling.CfnScalingPolicy(
            self,
            f"backlog-{queue.name}",
            policy_name=f"{self._made.command.name}-{queue.name}",
            policy_type="TargetTrackingScaling",
            scaling_target_id=_scalable_target_id(self._target),
            target_tracking_scaling_policy_configuration=(
                scaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                    target_value=messages,
                    scale_out_cooldown=OUT_COOLDOWN_MINUTES * 60,
                    scale_in_cooldown=IN_COOLDOWN_MINUTES * 60,
                    customized_metric_specification=tracked,
                )
            ),
        )

    def _inputs(self, queue: Queue) -> list[_Metric]:
        prefix, command = self._deployment.name_prefix, self._made.command.name
        of_queue = {"QueueName": physical_name(prefix, queue.name)}
        of_service = {"ClusterName": prefix, "ServiceName": command}
        sqs, insights = "AWS/SQS", "ECS/ContainerInsights"
        return [
            _input("visible", sqs, "ApproximateNumberOfMessagesVisible", of_queue),
            _input("in_flight", sqs, "ApproximateNumberOfMessagesNotVisible", of_queue),
            _input("tasks", insights, "RunningTaskCount", of_service),
            _input(
                "paused", cloudwatch_namespace(prefix), "penstock_consumer_paused",
                {SERVICE_DIMENSION: command, "queue": queue.name},
            ),
        ]  # fmt: skip


def _input(name: str, namespace: str, metric: str, dimensions: dict[str, str]) -> _Metric:
    one = _OneMetric(
        namespace=namespace,
        metric_name=metric,
        dimensions=[_Dimension(name=key, value=value) for key, value in dimensions.items()],
    )
    return _Metric(id=name, metric_stat=_Stat(metric=one, stat="Maximum"), return_data=False)


def _result(expression: str) -> _Metric:
    return _Metric(
        id="messages_per_task",
        expression=expression,
        label="messages per task, in flight ones too",
        return_data=True,
    )


def _scalable_target_id(target: ecs.ScalableTaskCount) -> str:
    # ECS keeps its target to itself, and only a raw policy may compute from several metrics.
    return cast(scaling.ScalableTarget, target.node.find_child("Target")).scalable_target_id
