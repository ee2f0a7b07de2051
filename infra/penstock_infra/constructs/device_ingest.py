"""Hands messages of devices from their queue to ingest-api, as requests of one gateway.

An IoT rule could call ingest-api itself, but its HTTP action wants the address to answer a token
first, tries only briefly, and then the message is an error. A pipe tries until the queue gives up.
"""

from aws_cdk import SecretValue
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_pipes as pipes
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from penstock_infra.arns import use_of_key
from penstock_infra.constructs.service_role import service_role

KEY_HEADER = "X-API-Key"
KEY_FIELD = "key"
KEY_TAG = ("EventBridgeApiDestinations", "true")
"""A KMS key must carry it before EventBridge keeps a connection's secret under that key."""


class DeviceIngest(Construct):
    """One request per message; what is refused comes again and ends in the dead-letter queue."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        prefix: str,
        queue: sqs.Queue,
        key: kms.IKey,
        url: str,
        gateway_key_secret_arn: str,
        requests_per_second: int,
    ) -> None:
        """Create the pipe and the way out of it."""
        super().__init__(scope, name)
        connection = events.CfnConnection(
            self,
            "connection",
            name=f"{prefix}-ingest-api",
            description="The gateway that devices speak as",
            authorization_type="API_KEY",
            auth_parameters=_header(gateway_key_secret_arn),
            kms_key_identifier=key.key_arn,
        )
        destination = events.CfnApiDestination(
            self,
            "destination",
            name=f"{prefix}-ingest-api",
            connection_arn=connection.attr_arn,
            http_method="POST",
            invocation_endpoint=url,
            invocation_rate_limit_per_second=requests_per_second,
        )
        role = service_role(
            self,
            "role",
            name=f"{prefix}-device-ingest",
            service="pipes",
            statements=_statements(queue, destination, key),
        )
        pipes.CfnPipe(
            self,
            "pipe",
            name=f"{prefix}-device-ingest",
            description="Hands messages of devices to ingest-api",
            role_arn=role.role_arn,
            source=queue.queue_arn,
            source_parameters=pipes.CfnPipe.PipeSourceParametersProperty(
                sqs_queue_parameters=pipes.CfnPipe.PipeSourceSqsQueueParametersProperty(
                    batch_size=1
                )
            ),
            target=destination.attr_arn,
            target_parameters=pipes.CfnPipe.PipeTargetParametersProperty(
                input_template="<$.body>",
                http_parameters=pipes.CfnPipe.PipeTargetHttpParametersProperty(
                    header_parameters={"Content-Type": "application/json"}
                ),
            ),
        )


def _header(secret_arn: str) -> events.CfnConnection.AuthParametersProperty:
    # CloudFormation reads the secret itself; the template has only its name.
    value = SecretValue.secrets_manager(secret_arn, json_field=KEY_FIELD)
    return events.CfnConnection.AuthParametersProperty(
        api_key_auth_parameters=events.CfnConnection.ApiKeyAuthParametersProperty(
            api_key_name=KEY_HEADER, api_key_value=value.unsafe_unwrap()
        )
    )


def _statements(
    queue: sqs.Queue, destination: events.CfnApiDestination, key: kms.IKey
) -> list[iam.PolicyStatement]:
    return [
        iam.PolicyStatement(
            sid="ReadQueue",
            actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            resources=[queue.queue_arn],
        ),
        iam.PolicyStatement(
            sid="CallIngestApi",
            actions=["events:InvokeApiDestination"],
            resources=[destination.attr_arn],
        ),
        use_of_key(key.key_arn, ("sqs",), reads_only=True),
    ]
