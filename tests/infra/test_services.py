"""Services in the template are the commands of `penstock.resources`, each as it asks to be run."""

from typing import Any

from penstock.command import OnBacklog, OnCpu
from penstock.domain.scaling import cloudwatch_expression
from penstock.resources import COMMANDS, OTHER_PATHS, PATH_RULES, physical_name
from penstock.runtime.lifecycle import KEEP_ALIVE_SECONDS

from tests.infra.reading import as_text
from tests.infra.synthesis import Synthesized

PREFIX = "penstock-prod"


def _container(synthesized: Synthesized, command: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task definition and container of a command."""
    for task in synthesized.resources("AWS::ECS::TaskDefinition").values():
        for container in task["Properties"]["ContainerDefinitions"]:
            if container["Name"] == command:
                return task["Properties"], container
    raise AssertionError(f"no container {command}")


def _services(synthesized: Synthesized) -> dict[str, dict[str, Any]]:
    made = synthesized.resources("AWS::ECS::Service").values()
    return {service["Properties"]["ServiceName"]: service["Properties"] for service in made}


def test_there_is_a_service_for_every_command(prod: Synthesized, dev: Synthesized) -> None:
    for synthesized in (prod, dev):
        assert set(_services(synthesized)) == {command.name for command in COMMANDS}


def test_tasks_are_as_large_as_the_command_asks_and_closed(prod: Synthesized) -> None:
    for command in COMMANDS:
        task, container = _container(prod, command.name)
        assert (task["Cpu"], task["Memory"]) == (str(command.cpu), str(command.memory_mib))
        assert task["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
        assert container["StopTimeout"] == command.stop_seconds <= 120
        assert container["ReadonlyRootFilesystem"] is True
        assert container["User"] == "10001:10001"
        assert container["LinuxParameters"]["Capabilities"]["Drop"] == ["ALL"]
        assert f"127.0.0.1:{command.port}/healthz" in container["HealthCheck"]["Command"][-1]
        assert container["Command"] == [command.name]


def test_a_failed_deployment_is_rolled_back(prod: Synthesized) -> None:
    for service in _services(prod).values():
        breaker = service["DeploymentConfiguration"]["DeploymentCircuitBreaker"]
        assert breaker == {"Enable": True, "Rollback": True}
        assert (
            service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
        )


def test_every_log_is_encrypted_and_ends(prod: Synthesized, dev: Synthesized) -> None:
    for synthesized in (prod, dev):
        groups = synthesized.resources("AWS::Logs::LogGroup")
        assert len(groups) > len(COMMANDS)
        for group in groups.values():
            assert group["Properties"]["RetentionInDays"] == synthesized.deployment.log_days
            assert group["Properties"]["KmsKeyId"]


def test_bounds_are_those_of_the_commands(prod: Synthesized) -> None:
    bounds = {
        as_text(target["Properties"]["ResourceId"]): target["Properties"]
        for target in prod.resources("AWS::ApplicationAutoScaling::ScalableTarget").values()
    }
    for command in COMMANDS:
        logical = command.name.replace("-", "")
        (found,) = [p for resource, p in bounds.items() if f"<{logical}service" in resource]
        assert (found["MinCapacity"], found["MaxCapacity"]) == (
            command.least_tasks,
            command.most_tasks,
        )


def test_dev_runs_no_more_tasks_than_its_file_says(dev: Synthesized) -> None:
    for target in dev.resources("AWS::ApplicationAutoScaling::ScalableTarget").values():
        assert target["Properties"]["MaxCapacity"] <= 2


def test_each_queue_of_a_command_is_tracked_with_what_is_in_flight(prod: Synthesized) -> None:
    policies = {
        policy["Properties"]["PolicyName"]: policy["Properties"]
        for policy in prod.resources("AWS::ApplicationAutoScaling::ScalingPolicy").values()
    }
    count = 0
    for command in COMMANDS:
        if not isinstance(command.scaling, OnBacklog):
            continue
        for queue in command.consumes:
            count += 1
            tracked = policies[f"{command.name}-{queue.name}"][
                "TargetTrackingScalingPolicyConfiguration"
            ]
            metrics = tracked["CustomizedMetricSpecification"]["Metrics"]
            assert tracked["TargetValue"] == command.scaling.messages_per_task
            assert metrics[-1]["Expression"] == cloudwatch_expression(
                command.scaling.messages_per_task
            )
            names = {m["MetricStat"]["Metric"]["MetricName"] for m in metrics[:-1]}
            assert "ApproximateNumberOfMessagesNotVisible" in names
            dimensions = metrics[0]["MetricStat"]["Metric"]["Dimensions"]
            assert dimensions == [{"Name": "QueueName", "Value": physical_name(PREFIX, queue.name)}]
    by_cpu = sum(isinstance(command.scaling, OnCpu) for command in COMMANDS)
    assert len(policies) == count + by_cpu


def test_the_door_is_tls_alone_and_never_redirects(prod: Synthesized) -> None:
    listeners = [r["Properties"] for r in prod.resources(_LISTENER).values()]
    assert [(one["Port"], one["Protocol"]) for one in listeners] == [(443, "HTTPS")]
    actions = [a for r in prod.resources(_RULE).values() for a in r["Properties"]["Actions"]]
    actions += listeners[0]["DefaultActions"]
    assert {action["Type"] for action in actions} == {"forward"}


_LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"


def test_paths_go_where_path_rules_say_and_in_their_order(prod: Synthesized) -> None:
    rules = sorted(
        (r["Properties"] for r in prod.resources(_RULE).values()), key=lambda p: p["Priority"]
    )
    found = [
        (
            rule["Conditions"][0]["PathPatternConfig"]["Values"],
            as_text(rule["Actions"][0]["TargetGroupArn"]),
        )
        for rule in rules
    ]
    assert [patterns for patterns, _ in found] == [
        [rule.prefix, f"{rule.prefix}/*"] for rule in PATH_RULES
    ]
    for (_, target), rule in zip(found, PATH_RULES, strict=True):
        assert target.startswith(f"<loadbalancer{rule.command.replace('-', '')}")
    (listener,) = prod.resources(_LISTENER).values()
    other = as_text(listener["Properties"]["DefaultActions"][0]["TargetGroupArn"])
    assert other.startswith(f"<loadbalancer{OTHER_PATHS.replace('-', '')}")


def test_the_balancer_lets_go_of_a_connection_before_the_server_does(prod: Synthesized) -> None:
    (balancer,) = prod.resources("AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {
        one["Key"]: one["Value"] for one in balancer["Properties"]["LoadBalancerAttributes"]
    }
    assert int(attributes["idle_timeout.timeout_seconds"]) < KEEP_ALIVE_SECONDS
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["deletion_protection.enabled"] == "true"


def test_spot_is_for_workers_whose_messages_come_again(dev: Synthesized) -> None:
    on_spot = {
        name
        for name, service in _services(dev).items()
        if any(s["CapacityProvider"] == "FARGATE_SPOT" for s in service["CapacityProviderStrategy"])
    }
    assert on_spot == {"inference-worker", "results-writer", "training-fetcher"}
