"""Models: their versions, and which one is champion."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from penstock.domain.errors import NotFound
from penstock.registry import ModelVersion
from penstock.runtime.auth import Admin, Viewer

from training_orchestrator.audit import audited
from training_orchestrator.dependencies import StateDep
from training_orchestrator.views import (
    ModelPage,
    ModelView,
    VersionPage,
    VersionView,
    version_view,
)

router = APIRouter(prefix="/v1/models", tags=["models"])

Version = Annotated[str, Path(pattern=r"^(champion|v[0-9]+)$")]


@router.get("")
async def list_models(state: StateDep, _caller: Viewer) -> ModelPage:
    """List models with their versions."""
    versions, champions = await state.bench.registry.all()
    names = sorted({version.model for version in versions})
    return ModelPage(
        items=[
            _model(name, [v for v in versions if v.model == name], champions.get(name))
            for name in names
        ]
    )


@router.get("/{name}")
async def get_model(name: str, state: StateDep, _caller: Viewer) -> ModelView:
    """Read which versions a model has, and which is champion."""
    return _model(name, await _versions(state, name), await _champion(state, name))


@router.get("/{name}/versions")
async def list_versions(name: str, state: StateDep, _caller: Viewer) -> VersionPage:
    """List the versions of a model, the newest first."""
    champion = await _champion(state, name)
    found = sorted(await _versions(state, name), key=lambda v: _number(v.version), reverse=True)
    return VersionPage(items=[version_view(version, champion) for version in found])


@router.get("/{name}/versions/{version}")
async def get_version(name: str, version: Version, state: StateDep, _caller: Viewer) -> VersionView:
    """Read a version, or the champion."""
    found = await state.bench.registry.get(name, version)
    return version_view(found, await _champion(state, name))


@router.post("/{name}/versions/{version}/promote")
async def promote_version(
    name: str, version: Version, state: StateDep, caller: Admin, response: Response
) -> VersionView:
    """Make a version the champion.

    One that its endpoint serves is champion at once (200). Another is deployed first (202) and is
    champion when it serves; watch `GET /v1/endpoints/{name}`. Answers 409 while another change of
    the endpoint is under way.
    """
    registered = await state.bench.registry.get(name, version)
    subject = f"{name} {registered.version}"
    await state.bench.store.write(audited(caller, "model.promote", subject, state.bench.clock))
    promoted, serves = await state.promotions.begin(name, registered.version)
    response.status_code = 200 if serves else 202
    return version_view(promoted, await _champion(state, name))


def _model(name: str, versions: list[ModelVersion], champion: str | None) -> ModelView:
    numbers = sorted((version.version for version in versions), key=_number)
    return ModelView(model=name, champion=champion, versions=numbers)


async def _versions(state: StateDep, name: str) -> list[ModelVersion]:
    found = [version async for version in state.bench.registry.versions(name)]
    if not found:
        raise NotFound(f"no model {name}")
    return found


async def _champion(state: StateDep, name: str) -> str | None:
    try:
        return (await state.bench.registry.get(name, "champion")).version
    except NotFound:
        return None


def _number(version: str) -> int:
    return int(version.removeprefix("v"))
