"""Names of a template as they will be in an account: each reference followed to ARN or name."""

import re
from collections.abc import Mapping
from typing import Any

from tests.infra.synthesis import Synthesized

REGION = "eu-west-1"
ACCOUNT = "111122223333"
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
}
_BY_TYPE = {
    "AWS::SQS::Queue": ("QueueName", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}"),
    "AWS::SNS::Topic": ("TopicName", f"arn:aws:sns:{REGION}:{ACCOUNT}:{{}}"),
    "AWS::DynamoDB::Table": ("TableName", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}"),
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{}"),
    "AWS::IAM::Role": ("RoleName", f"arn:aws:iam::{ACCOUNT}:role/{{}}"),
    "AWS::KMS::Key": ("KeyId", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{{}}"),
    "AWS::Logs::LogGroup": ("LogGroupName", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*"),
    "AWS::ECR::Repository": (
        "RepositoryName",
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{{}}",
    ),
    "AWS::StepFunctions::StateMachine": (
        "StateMachineName",
        f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{}}",
    ),
    "AWS::SecretsManager::Secret": (
        "Name",
        # AWS puts six characters of its own behind a secret's name.
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{{}}-a1B2c3",
    ),
    "AWS::Events::ApiDestination": (
        "Name",
        f"arn:aws:events:{REGION}:{ACCOUNT}:api-destination/{{}}/0a1b2c3d",
    ),
}
"""By type: the property with the physical name (else the logical id is it), and the ARN."""
_REF_IS_ARN = frozenset(
    {"AWS::SNS::Topic", "AWS::SecretsManager::Secret", "AWS::StepFunctions::StateMachine"}
)
_IS_NAME = re.compile("Name$|Id$")


class Names:
    """Everything of both stacks by logical id, and what one exports to the other."""

    def __init__(self, synthesized: Synthesized) -> None:
        """Read both templates."""
        self._resources: dict[str, Mapping[str, Any]] = {}
        self._exports: dict[str, Any] = {}
        for document in synthesized.documents.values():
            self._resources |= document.get("Resources", {})
            for output in document.get("Outputs", {}).values():
                if "Export" in output:
                    self._exports[self.text(output["Export"]["Name"])] = output["Value"]

    def text(self, value: Any) -> str:
        """Text of a value with all its functions worked out."""
        match value:
            case {"Fn::Join": [separator, list(parts)]}:
                return str(separator).join(self.text(part) for part in parts)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([\w:.]+)\}", lambda found: self._sub(found[1]), text)
            case {"Fn::ImportValue": name}:
                return self.text(self._exports[self.text(name)])
            case {"Fn::GetAtt": [name, attribute]}:
                return self._attribute(name, attribute)
            case {"Ref": name}:
                return self._ref(name)
            case str():
                return value
            case _:
                # Select, Split and the like stay what they are: no name of ours is made by them.
                return str(value)

    def arn(self, logical_id: str) -> str:
        """ARN of a resource by its logical id."""
        resource = self._resources[logical_id]
        kind = resource["Type"]
        if kind not in _BY_TYPE:
            service = kind.split("::")[1].lower()
            return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{logical_id}"
        return _BY_TYPE[kind][1].format(self._physical(logical_id))

    def _physical(self, logical_id: str) -> str:
        resource = self._resources[logical_id]
        name = _BY_TYPE.get(resource["Type"], ("", ""))[0]
        return self.text(resource.get("Properties", {}).get(name, logical_id))

    def _ref(self, name: str) -> str:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name not in self._resources:
            return f"<{name}>"  # a parameter
        is_arn = self._resources[name]["Type"] in _REF_IS_ARN
        return self.arn(name) if is_arn else self._physical(name)

    def _attribute(self, name: str, attribute: str) -> str:
        if attribute == "DBClusterResourceId":
            return "cluster-id"
        if attribute == "MasterUserSecret.SecretArn":
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-a1B2c3"
        return self._physical(name) if _IS_NAME.search(attribute) else self.arn(name)

    def _sub(self, name: str) -> str:
        logical_id, _, attribute = name.partition(".")
        return self._attribute(logical_id, attribute) if attribute else self._ref(logical_id)
