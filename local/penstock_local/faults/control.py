"""The proxy's control port: which faults are in force, over HTTP.

GET /faults     what is in force and how often each kind has struck
PUT /faults     replace: a list of faults
POST /faults    add one fault or a list
DELETE /faults  none any more
"""

import json
from collections.abc import Awaitable, Callable

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from penstock_local.faults.proxy import LOOPBACK, FaultProxy
from penstock_local.faults.rules import Fault

_FAULTS: TypeAdapter[Fault | list[Fault]] = TypeAdapter(Fault | list[Fault])


async def start_control(proxy: FaultProxy, port: int) -> tuple[web.AppRunner, str]:
    """Serve the control port; returns the runner to clean up, and the address."""
    runner = web.AppRunner(control_app(proxy), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, port).start()
    return runner, f"http://{LOOPBACK}:{runner.addresses[0][1]}"


def control_app(proxy: FaultProxy) -> web.Application:
    def state() -> web.Response:
        faults = [fault.model_dump(exclude_defaults=True) for fault in proxy.faults]
        return web.json_response({"url": proxy.url, "faults": faults, "hits": proxy.hits})

    async def show(_request: web.Request) -> web.Response:
        return state()

    async def clear(_request: web.Request) -> web.Response:
        proxy.clear()
        return state()

    def change(act: Callable[..., None]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                parsed = _FAULTS.validate_json(await request.read())
            except ValidationError as error:
                return web.json_response({"errors": json.loads(error.json())}, status=422)
            act(*(parsed if isinstance(parsed, list) else [parsed]))
            return state()

        return handle

    app = web.Application()
    app.router.add_get("/faults", show)
    app.router.add_delete("/faults", clear)
    app.router.add_put("/faults", change(proxy.set))
    app.router.add_post("/faults", change(proxy.add))
    return app
