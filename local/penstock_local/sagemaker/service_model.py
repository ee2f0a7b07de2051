"""botocore's own description of SageMaker: the source of truth for inputs, outputs and names."""

from dataclasses import dataclass
from typing import cast

import botocore.session
from botocore.model import OperationModel, ServiceModel, StructureShape

from penstock_local.sagemaker.wire import ServiceError


@dataclass(frozen=True, slots=True)
class ServiceModels:
    control: ServiceModel
    runtime: ServiceModel

    def control_operation(self, name: str) -> OperationModel:
        """Look the operation up, or refuse as AWS does when it is not in the model."""
        if name not in self.control.operation_names:
            raise ServiceError("UnknownOperationException", f"Unknown operation: {name!r}.")
        return self.control.operation_model(name)

    @property
    def invocation_shape(self) -> StructureShape:
        return cast("StructureShape", self.runtime.operation_model("InvokeEndpoint").input_shape)


def load_service_models() -> ServiceModels:
    """Read both models from botocore's data files (about 0.3 s)."""
    session = botocore.session.get_session()
    return ServiceModels(
        control=session.get_service_model("sagemaker"),
        runtime=session.get_service_model("sagemaker-runtime"),
    )
