"""A generic REST API in pages, over the plant and CSV files: `/api/readings`, `/csv/<file>`."""

from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from penstock_local.plant.asking import BadQuestionError, Parameters, answer
from penstock_local.plant.csv_files import CsvHistory, CsvReading, read_csv
from penstock_local.plant.history import PlantHistory
from penstock_local.plant.paging import MAX_PAGE_SIZE, Records, cursor_page, numbered_page
from penstock_local.plant.samples import History

ALL_TIME = (-(2**53), 2**53)
# Results that are still being paged through; for more callers than this, work is done again.
KEPT_RESULTS = 8


class PagedApi:
    """Pages by number with a total, or by cursor where the parameter `cursor` is there.

    An answer to neither is the first page of both.
    """

    def __init__(self, history: PlantHistory, folder: Path | None, reading: CsvReading) -> None:
        self._history = history
        self._folder = folder.resolve() if folder else None
        self._reading = reading
        self._files: dict[tuple[Path, int], CsvHistory] = {}
        self._results: dict[tuple[Any, ...], Records] = {}

    async def readings(self, request: Request) -> Response:
        asked = Parameters(request.query_params)
        window = asked.time("from"), min(asked.time("to"), self._history.now_ms())
        return await self._page(request, self._history, window)

    async def files(self, _request: Request) -> Response:
        folder = self._folder
        found = sorted(folder.rglob("*.csv")) if folder else []
        return answer({"files": [str(path.relative_to(folder)) for path in found if folder]})

    async def file(self, request: Request) -> Response:
        file = await run_in_threadpool(self._open, request.path_params["file"])
        asked = Parameters(request.query_params)
        window = asked.time("from", ALL_TIME[0]), asked.time("to", ALL_TIME[1])
        return await self._page(request, file, window)

    def _open(self, name: str) -> CsvHistory:
        folder = self._folder
        path = (folder / name).resolve() if folder else None
        if folder is None or path is None or not path.is_relative_to(folder) or not path.is_file():
            raise BadQuestionError(404, f"no such file: {name}")
        key = (path, path.stat().st_mtime_ns)
        if key not in self._files:
            try:
                self._files[key] = read_csv(path, self._reading)
            except ValueError as error:
                raise BadQuestionError(422, f"{name} is not readable: {error}") from error
        return self._files[key]

    async def _page(self, request: Request, history: History, window: tuple[int, int]) -> Response:
        asked = Parameters(request.query_params)
        size = asked.number("page_size", 500, low=1, high=MAX_PAGE_SIZE)
        page = asked.number("page", 1, low=1, high=10**9)
        records = await self._records(history, asked.names("tags"), window)
        if "cursor" in asked.named:
            try:
                return answer(cursor_page(records, asked.named["cursor"], size))
            except ValueError as error:
                raise BadQuestionError(400, str(error)) from error
        body = numbered_page(records, page, size)
        if "page" not in asked.named:
            # Callers that walk by cursor have none to send with their first question.
            body["next_cursor"] = cursor_page(records, "", size)["next_cursor"]
        if getattr(request.state, "wrong_total", False):
            body["total"] += 1 + body["total"] // 10
        return answer(body)

    async def _records(self, history: History, tags: list[str], window: tuple[int, int]) -> Records:
        known = history.tags()
        unknown = sorted(set(tags) - set(known))
        if unknown:
            raise BadQuestionError(404, f"no such tag: {unknown[0]}")
        tags = tags or known
        key = (history, tuple(tags), window)
        if key not in self._results:
            parts = await run_in_threadpool(history.read, tags, *window)
            while len(self._results) >= KEPT_RESULTS:
                self._results.pop(next(iter(self._results)))
            self._results[key] = await run_in_threadpool(Records.of, parts)
        return self._results[key]
