import httpx
from penstock.resources import COMMANDS
from penstock_local.environment import ADMIN_TOKEN
from penstock_local.parts import INFRASTRUCTURE
from penstock_local.running import State
from penstock_local.stack import PenstockStack

from tests.fixtures.stack import family, listening


def test_every_part_runs_and_listens_on_loopback_only(penstock_stack: PenstockStack) -> None:
    content = penstock_stack.wait_until(lambda stack: stack.is_ready, "ready", seconds=180)
    address_by_port = listening(family(penstock_stack.supervisor_pid))
    parts = content.parts
    services = {command.name for command in COMMANDS}
    assert {part.name for part in parts} == {*INFRASTRUCTURE, "traces", *services, "front-door"}
    assert {part.state for part in parts} == {State.READY, State.DONE}
    assert {part.port for part in parts if part.port} <= set(address_by_port)
    assert set(address_by_port.values()) == {"127.0.0.1"}


def test_one_address_reaches_every_service_of_people(penstock_stack: PenstockStack) -> None:
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    with httpx.Client(base_url=penstock_stack.endpoint("front-door"), headers=headers) as client:
        assert client.get("/v1/jobs").status_code == 200  # training-orchestrator
        assert client.get("/v1/gateways").status_code == 200  # console
        assert client.get("/v1/audit").status_code == 200
        # ingest-api, which knows gateways by their keys and people not at all.
        assert client.get("/v1/ping").status_code == 401
