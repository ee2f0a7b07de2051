"""Every operation that is written, by its name on the wire."""

from collections.abc import Mapping

from penstock_local.sagemaker.operations import (
    endpoint_configs,
    endpoints,
    models,
    tags,
    training_jobs,
)
from penstock_local.sagemaker.operations.context import Operation

OPERATIONS: Mapping[str, Operation] = {
    **training_jobs.OPERATIONS,
    **models.OPERATIONS,
    **endpoint_configs.OPERATIONS,
    **endpoints.OPERATIONS,
    **tags.OPERATIONS,
}
