"""The history server: N3uron's REST API, a generic paged one, and CSV files as the latter.

GET|POST /tag?cmd=read|browse|history|historyMany
GET /api/readings?from&to&tags&page&page_size      or &cursor= instead of page
GET /csv, /csv/<file>?page&page_size[&from&to&tags]
GET /_penstock/failures?from&to                    what really happened
GET|PUT|DELETE /_penstock/faults                   what goes wrong
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock_local.faults.rules import Fault, FaultBook
from penstock_local.plant.asking import Handler, Parameters, answer, guard
from penstock_local.plant.csv_files import CsvReading
from penstock_local.plant.fault_layer import Application, FaultControl, FaultLayer, check_kinds
from penstock_local.plant.history import PlantHistory
from penstock_local.plant.n3uron_api import N3uronApi
from penstock_local.plant.n3uron_shapes import Shape
from penstock_local.plant.paged_api import PagedApi
from penstock_local.plant.samples import iso_time


@dataclass(frozen=True, slots=True)
class ServerSettings:
    token: str | None = None
    """Without one, anyone may ask."""
    shape: Shape = "wrapped"
    row_cap: int | None = None
    csv_folder: Path | None = None
    csv_reading: CsvReading = field(default_factory=CsvReading)
    faults: Sequence[Fault] = ()
    seed: int = 0
    """Of the draws of the faults."""


def create_app(history: PlantHistory, settings: ServerSettings) -> Application:
    """Build the whole server around one plant's history; raises ValueError for unfit faults."""
    check_kinds(list(settings.faults))
    book = FaultBook(settings.faults, seed=settings.seed)
    n3uron = N3uronApi(history, shape=settings.shape, row_cap=settings.row_cap)
    paged = PagedApi(history, settings.csv_folder, settings.csv_reading)
    open_to_all = Route(
        "/_penstock/faults", FaultControl(book).handle, methods=["GET", "PUT", "DELETE"]
    )
    guarded: list[tuple[str, Handler, list[str]]] = [
        ("/tag", n3uron.tag, ["GET", "POST"]),
        ("/api/readings", paged.readings, ["GET"]),
        ("/csv", paged.files, ["GET"]),
        ("/csv/{file:path}", paged.file, ["GET"]),
        ("/_penstock/failures", _failures(history), ["GET"]),
    ]
    routes = [
        Route(path, guard(handler, settings.token), methods=methods)
        for path, handler, methods in guarded
    ]
    return FaultLayer(Starlette(routes=[*routes, open_to_all]), book)


def _failures(history: PlantHistory) -> Handler:
    async def failures(request: Request) -> Response:
        asked = Parameters(request.query_params)
        found = history.failures(asked.time("from"), asked.time("to"))
        return answer({"failures": [{"asset": name, "at": iso_time(at)} for name, at in found]})

    return failures
