"""Address ranges of S3 and DynamoDB in the region of the deployment, for rules of what may leave.

CloudFormation cannot look up AWS's own prefix lists by name, and their ids differ by region.
"""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import custom_resources as custom
from constructs import Construct

GATEWAYS = ("s3", "dynamodb")


class PrefixLists(Construct):
    """Ids of prefix lists by service, asked for when the stack is deployed."""

    def __init__(self, scope: Construct, name: str) -> None:
        """Ask for each list."""
        super().__init__(scope, name)
        policy = custom.AwsCustomResourcePolicy.from_statements(
            [iam.PolicyStatement(actions=["ec2:DescribeManagedPrefixLists"], resources=["*"])]
        )
        self.ids = {service: self._ask(service, policy) for service in GATEWAYS}

    def _ask(self, service: str, policy: custom.AwsCustomResourcePolicy) -> str:
        list_name = f"com.amazonaws.{Aws.REGION}.{service}"
        call = custom.AwsSdkCall(
            service="EC2",
            action="describeManagedPrefixLists",
            parameters={"Filters": [{"Name": "prefix-list-name", "Values": [list_name]}]},
            physical_resource_id=custom.PhysicalResourceId.of(f"prefix-list-{service}"),
            output_paths=["PrefixLists.0.PrefixListId"],
        )
        asked = custom.AwsCustomResource(
            self, service, on_update=call, policy=policy, install_latest_aws_sdk=False
        )
        return asked.get_response_field("PrefixLists.0.PrefixListId")
