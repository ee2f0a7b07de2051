"""What every operation may use."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock_local.sagemaker.hosting import Hosting
from penstock_local.sagemaker.images import ImageMap
from penstock_local.sagemaker.names import Arns
from penstock_local.sagemaker.records import Answer, Request
from penstock_local.sagemaker.store import Tables
from penstock_local.sagemaker.training import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    arns: Arns
    tables: Tables
    images: ImageMap
    training: Training
    hosting: Hosting
    clock: Callable[[], float]

    def new_id(self) -> str:
        return uuid.uuid4().hex[:12]


Operation = Callable[[Context, Request], Answer | None]


def read_tags(request: Mapping[str, Any]) -> dict[str, str]:
    """Tags of a Create request, by key."""
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}
