"""The champion of a model, as far as a candidate can be compared with it on the same rows."""

from dataclasses import dataclass

from penstock.domain.endpoints import EndpointStatus
from penstock.domain.errors import NotFound
from penstock.registry import CHAMPION, ModelVersion

from training_orchestrator.datasets_store import Dataset
from training_orchestrator.scoring import Served
from training_orchestrator.step import Workbench


@dataclass(frozen=True, slots=True)
class Champion:
    """The version, and where it answers; None where it cannot be asked these rows."""

    version: ModelVersion
    served: Served | None


async def champion_of(bench: Workbench, model: str, dataset: Dataset) -> Champion | None:
    """Find the champion; it can be asked where it is in service and reads the same frame."""
    try:
        version = await bench.registry.get(model, CHAMPION)
    except NotFound:
        return None
    same_frame = version.frame_definition == dataset.recipe.frame.to_domain()
    endpoint = await bench.endpoints.describe(version.endpoint) if same_frame else None
    if endpoint is None or endpoint.status is not EndpointStatus.IN_SERVICE:
        return Champion(version, None)
    names = {variant.name for variant in endpoint.variants}
    if version.version not in names:
        return Champion(version, None)
    return Champion(
        version, Served(version.endpoint, bench.model_types[version.algorithm], version.version)
    )
