"""VPC endpoints: AWS is reached without leaving the VPC."""

from aws_cdk import Aws
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from penstock_infra.config import Deployment
from penstock_infra.constructs.network import Network

_SERVICE = ec2.InterfaceVpcEndpointAwsService
INTERFACES = {
    "sqs": _SERVICE.SQS,
    "sns": _SERVICE.SNS,
    "sagemaker": _SERVICE.SAGEMAKER_API,
    "sagemaker-runtime": _SERVICE.SAGEMAKER_RUNTIME,
    "secrets": _SERVICE.SECRETS_MANAGER,
    "states": _SERVICE.STEP_FUNCTIONS,
    "logs": _SERVICE.CLOUDWATCH_LOGS,
    "monitoring": _SERVICE.CLOUDWATCH_MONITORING,
    "registry-api": _SERVICE.ECR,
    "registry": _SERVICE.ECR_DOCKER,
    "kms": _SERVICE.KMS,
    "sts": _SERVICE.STS,
    "scheduler": _SERVICE("scheduler"),
    "xray": _SERVICE.XRAY,
    "users": _SERVICE("cognito-idp"),  # where the keys are that people's tokens are signed with
}
"""Services of AWS that tasks, their agent or their collector call, S3 and DynamoDB apart."""


class Endpoints(Construct):
    """Gateway and interface endpoints, and the group that tasks talk to."""

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, network: Network
    ) -> None:
        """Make every endpoint, unless the account's own VPC has them."""
        super().__init__(scope, name)
        self._network = network
        self.group = ec2.SecurityGroup(
            self,
            "group",
            vpc=network.vpc,
            description="VPC endpoints of AWS services",
            allow_all_outbound=False,
        )
        own = deployment.network
        if own is None or not own.has_endpoints:
            self._add_gateways(has_routes=own is None or bool(own.private_route_tables))
            for service_name, service in INTERFACES.items():
                self._add_interface(service_name, service)
        if deployment.snowflake_endpoint_service is not None:
            self._add_interface(
                "snowflake",
                ec2.InterfaceVpcEndpointService(deployment.snowflake_endpoint_service, 443),
            )

    def _add_gateways(self, *, has_routes: bool) -> None:
        if not has_routes:
            return
        vpc = self._network.vpc
        s3 = vpc.add_gateway_endpoint("s3", service=ec2.GatewayVpcEndpointAwsService.S3)
        s3.add_to_policy(_ours_alone("s3:*"))
        s3.add_to_policy(_image_layers())
        dynamodb = vpc.add_gateway_endpoint(
            "dynamodb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB
        )
        dynamodb.add_to_policy(_ours_alone("dynamodb:*"))

    def _add_interface(self, name: str, service: ec2.IInterfaceVpcEndpointService) -> None:
        ec2.InterfaceVpcEndpoint(
            self,
            name,
            vpc=self._network.vpc,
            service=service,
            subnets=self._network.places.inner,
            security_groups=[self.group],
            private_dns_enabled=True,
            open=False,  # who may enter stands with the commands' own groups
        )


def _ours_alone(actions: str) -> iam.PolicyStatement:
    """Let nobody carry data out through our endpoint under another account's keys."""
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()],
        actions=[actions],
        resources=["*"],
        conditions={"StringEquals": {"aws:PrincipalAccount": Aws.ACCOUNT_ID}},
    )


def _image_layers() -> iam.PolicyStatement:
    """ECR hands out image layers from a bucket of its own, signed by itself."""
    bucket = f"arn:{Aws.PARTITION}:s3:::prod-{Aws.REGION}-starport-layer-bucket/*"
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()], actions=["s3:GetObject"], resources=[bucket]
    )
