"""The one address: TLS alone, paths to commands in the order of PATH_RULES."""

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_s3 as s3
from constructs import Construct
from penstock.resources import OTHER_PATHS, PATH_RULES

from penstock_infra.config import Deployment
from penstock_infra.constructs.command_service import CommandService

IDLE = Duration.seconds(60)
"""Shorter than the 75 s for which uvicorn keeps a connection: the other way round is a 502."""
FACING = tuple(dict.fromkeys((*(rule.command for rule in PATH_RULES), OTHER_PATHS)))
"""Commands that requests are sent to."""
_PRIORITY_STEP = 10


class LoadBalancer(Construct):
    """Load balancer, listener and target groups. Port 80 is closed: gateways follow no redirect."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        deployment: Deployment,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        group: ec2.ISecurityGroup,
        logs: s3.IBucket,
        services: Mapping[str, CommandService],
    ) -> None:
        """Create it with a rule for each path."""
        super().__init__(scope, name)
        self.balancer = elb.ApplicationLoadBalancer(
            self,
            "balancer",
            vpc=vpc,
            vpc_subnets=subnets,
            internet_facing=not deployment.internal,
            security_group=group,
            idle_timeout=IDLE,
            deletion_protection=deployment.protected,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elb.DesyncMitigationMode.DEFENSIVE,
        )
        # CDK's own way wants to know the region while it makes the template.
        for key, value in {"enabled": "true", "bucket": logs.bucket_name, "prefix": "alb"}.items():
            self.balancer.set_attribute(f"access_logs.s3.{key}", value)
        self.targets = {
            command: self._targets(vpc, services[command], command) for command in FACING
        }
        self._add_listener(str(deployment.certificate_arn))

    def _targets(
        self, vpc: ec2.IVpc, made: CommandService, name: str
    ) -> elb.ApplicationTargetGroup:
        targets = elb.ApplicationTargetGroup(
            self,
            name,
            vpc=vpc,
            port=made.command.port,
            protocol=elb.ApplicationProtocol.HTTP,
            target_type=elb.TargetType.IP,
            deregistration_delay=Duration.seconds(made.command.stop_seconds),
            # Alive, not ready: a task is not replaced because what it depends on is down.
            health_check=elb.HealthCheck(
                path="/healthz",
                interval=Duration.seconds(10),
                timeout=Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
            ),
        )
        made.service.attach_to_application_target_group(targets)
        return targets

    def _add_listener(self, certificate_arn: str) -> None:
        listener = self.balancer.add_listener(
            "https",
            port=443,
            protocol=elb.ApplicationProtocol.HTTPS,
            certificates=[elb.ListenerCertificate.from_arn(certificate_arn)],
            ssl_policy=elb.SslPolicy.RECOMMENDED_TLS,
            open=False,
            default_action=elb.ListenerAction.forward([self.targets[OTHER_PATHS]]),
        )
        for position, rule in enumerate(PATH_RULES, start=1):
            elb.ApplicationListenerRule(
                self,
                f"rule-{rule.prefix.strip('/').replace('/', '-')}",
                listener=listener,
                priority=position * _PRIORITY_STEP,
                conditions=[elb.ListenerCondition.path_patterns([rule.prefix, f"{rule.prefix}/*"])],
                action=elb.ListenerAction.forward([self.targets[rule.command]]),
            )
