"""The registry of models: which versions there are, what each was made of, which is champion."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, fields

from penstock.bodies import FrameBody
from penstock.domain.errors import NotFound
from penstock.domain.frames import FrameDefinition
from penstock.domain.time import Micros
from penstock.ports import KeyValueStore, Write
from penstock.resources import MODELS

CHAMPION = "champion"
COUNTER = "counter"
"""Item of a model that counts its versions, beside the versions themselves."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One trained artefact with the frame that it must be given, frozen.

    `frame` and `metrics` are JSON; the variant that serves it has the name of the version;
    `endpoint` is its name in SageMaker.
    """

    model: str
    version: str
    algorithm: str
    endpoint: str
    frame: str
    job_id: str
    run: int
    dataset_id: str
    artefact: str
    metrics: str
    trained_to: Micros
    created_at: Micros

    @property
    def frame_definition(self) -> FrameDefinition:
        """The frame as the worker computes it."""
        return FrameBody.model_validate_json(self.frame).to_domain()


class ModelRegistry:
    """Model versions and champions in the table `models`."""

    def __init__(self, store: KeyValueStore) -> None:
        """Keep the table's store."""
        self._store = store

    async def register(self, version: ModelVersion) -> None:
        """Write a version once; the same again is fine, since its name is made from its job."""
        item = {key: value for key, value in asdict(version).items() if value is not None}
        await self._store.write(Write(MODELS.name, _key(version.model, version.version), put=item))

    async def get(self, model: str, version: str) -> ModelVersion:
        """Read a version, or the champion's; raise NotFound."""
        if version == CHAMPION:
            version = await self._champion(model)
        item = await self._store.get(MODELS.name, _key(model, version))
        if item is None:
            raise NotFound(f"model {model} has no version {version}")
        return _version(item)

    async def promote(self, model: str, version: str, *, at: Micros) -> None:
        """Make a registered version the champion; raise NotFound where there is no such one."""
        await self.get(model, version)
        key = _key(model, CHAMPION)
        item = {**key, "points_to": version, "promoted_at": at}
        await self._store.write(Write(MODELS.name, key, put=item))

    async def versions(self, model: str) -> AsyncIterator[ModelVersion]:
        """Walk the versions of a model."""
        async for item in self._store.query(MODELS.name, {"model": model}, sort_prefix="v"):
            yield _version(item)

    async def all(self) -> tuple[list[ModelVersion], dict[str, str]]:
        """Every version, and the champion's version by model: what a worker caches."""
        versions: list[ModelVersion] = []
        champions: dict[str, str] = {}
        async for item in self._store.scan(MODELS.name):
            if item["version"] == CHAMPION:
                champions[str(item["model"])] = str(item["points_to"])
            elif item["version"] != COUNTER:
                versions.append(_version(item))
        return versions, champions

    async def _champion(self, model: str) -> str:
        pointer = await self._store.get(MODELS.name, _key(model, CHAMPION))
        if pointer is None:
            raise NotFound(f"model {model} has no champion; promote a version first")
        return str(pointer["points_to"])


def _key(model: str, version: str) -> dict[str, object]:
    return {"model": model, "version": version}


def _version(item: dict[str, object]) -> ModelVersion:
    # A newer orchestrator may have written fields that this build does not know yet.
    known = {field.name: item[field.name] for field in fields(ModelVersion) if field.name in item}
    return ModelVersion(**known)  # type: ignore[arg-type]  # the store gives back what was put
