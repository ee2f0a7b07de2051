"""ARNs of everything the local SageMaker keeps."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["training-job", "model", "endpoint-config", "endpoint"]


@dataclass(frozen=True, slots=True)
class Arns:
    region: str
    account: str

    def of(self, kind: Kind, name: str) -> str:
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    def log_stream(self, endpoint: str) -> str:
        """Name the log group that AWS would have; the local log is served by `/_penstock/logs`."""
        group = f"/aws/sagemaker/Endpoints/{endpoint}"
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{group}"


def split_arn(arn: str) -> tuple[str, str]:
    """Return (kind, name) of a SageMaker ARN; both are empty when it has another form."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    return (kind, name) if name else ("", "")
