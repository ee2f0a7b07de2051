"""N3uron's REST API Server: `/tag?cmd=read|browse|history|historyMany`, as GET or as POST."""

import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock_local.plant.asking import BadQuestionError, Parameters, answer
from penstock_local.plant.history import PlantHistory
from penstock_local.plant.n3uron_shapes import (
    Shape,
    shape_browse,
    shape_histories,
    shape_history,
    shape_read,
)
from penstock_local.plant.samples import Samples


class N3uronApi:
    """Answers from one plant; `row_cap` ends each tag's history silently after so many rows."""

    def __init__(self, history: PlantHistory, *, shape: Shape, row_cap: int | None) -> None:
        self._history = history
        self._shape = shape
        self._row_cap = row_cap

    async def tag(self, request: Request) -> Response:
        asked = await _parameters(request)
        match asked.required("cmd"):
            case "read":
                return answer(shape_read(self._history.latest(self._known(asked.required("path")))))
            case "browse":
                return self._browse(asked.named.get("path", "/"))
            case "history":
                parts = await self._read(asked, [asked.required("path")])
                return answer(shape_history(parts[0], self._shape))
            case "historyMany":
                asked.required("paths")
                parts = await self._read(asked, asked.names("paths"))
                return answer(shape_histories(parts, self._shape))
            case other:
                raise BadQuestionError(400, f"unknown cmd: {other}")

    def _browse(self, folder: str) -> Response:
        found = shape_browse(self._history.tags(), folder)
        if found is None:
            raise BadQuestionError(404, f"no such folder: {folder}")
        return answer(found)

    async def _read(self, asked: Parameters, tags: list[str]) -> list[Samples]:
        mode = asked.named.get("options.mode", "raw")
        if mode != "raw":
            raise BadQuestionError(400, f"mode {mode} is not served, only raw is")
        known = [self._known(tag) for tag in tags]
        window = asked.time("start"), asked.time("end")
        parts = await run_in_threadpool(self._history.read, known, *window)
        cap = self._row_cap
        return [Samples(p.tag, p.times[:cap], p.values[:cap], p.quality[:cap]) for p in parts]

    def _known(self, tag: str) -> str:
        if self._history.plant.find(tag) is None:
            raise BadQuestionError(404, f"no such tag: {tag}")
        return tag


async def _parameters(request: Request) -> Parameters:
    """Read the query, or the same as JSON, nested options flattened with dots."""
    if request.method == "GET":
        return Parameters(request.query_params)
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise BadQuestionError(400, "the body is not JSON") from error
    if not isinstance(body, dict):
        raise BadQuestionError(400, "the body must be a JSON object")
    return Parameters(dict(_flatten(body)))


def _flatten(body: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    flat = []
    for name, value in body.items():
        if isinstance(value, dict):
            flat += _flatten(value, f"{prefix}{name}.")
        else:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            flat.append((prefix + name, text))
    return flat
