"""What the door costs: CPU of ingest-api per request, in ratios to a no-op ASGI server.

Closed loop of connections, 100 readings a body, 64 distinct bodies, answered 200 once durable.
`memory` is a topic that takes everything at once; `sns` is the adapter of production towards a
stand-in for SNS in another process, which opens every pack and counts the readings in it. All
configurations run interleaved, round by round; the figures are medians.
"""

import argparse
import json
from contextlib import ExitStack
from urllib.request import urlopen

from penstock_local.ports import free_ports

from benchmarks import door

TOPICS = ("memory", "sns")
SHAPES = {"N3uron compact": door.compact_bodies, "our envelope": door.own_bodies}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--requests", type=int, default=1_280, help="of one round")
    parser.add_argument("--connections", type=int, nargs="+", default=[32, 128])
    options = parser.parse_args()
    costs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        servers, topic = _servers(stack)
        door.pin_load()
        bodies = {shape: make() for shape, make in SHAPES.items()}
        for connections in options.connections:
            configurations = {
                _name(server, shape, connections): (running, door.posts(bodies[shape], running.key))
                for shape in SHAPES
                for server, running in servers.items()
            }
            costs |= door.interleaved(
                configurations,
                rounds=options.rounds, count=options.requests, connections=connections,
            )  # fmt: skip
        arrived = _arrived(topic)
    _require_all(arrived, options)
    medians = door.write_figures("ingest", costs, load=vars(options), arrived=arrived)
    _tell(medians, list(servers), options.connections)
    size = arrived["bytes"] / arrived["readings"]
    print(f"\n{arrived['readings']} readings in {arrived['packs']} packs, {size:.1f} bytes each")


def _name(server: str, shape: str, connections: int) -> str:
    return f"{server}, {shape}, {connections} connections"


def _require_all(arrived: dict[str, int], options: argparse.Namespace) -> None:
    """Every reading that was answered 200 has arrived, once."""
    requests = sum(options.requests // n * n for n in options.connections)
    sent = (options.rounds + 1) * requests * door.READINGS * len(SHAPES)
    if arrived["readings"] != sent:
        raise SystemExit(f"{sent} readings were acknowledged, {arrived['readings']} arrived")


def _servers(stack: ExitStack) -> tuple[dict[str, door.Server], door.Server]:
    ports = free_ports(["topic", "no-op", *TOPICS])
    topic = stack.enter_context(door.running("topic", ports["topic"]))
    servers = {"no-op": stack.enter_context(door.running("noop", ports["no-op"]))}
    variables = {
        "AWS_ENDPOINT_URL_SNS": f"http://127.0.0.1:{ports['topic']}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    for name in TOPICS:
        running = door.running("ingest", ports[name], "--topic", name, variables=variables)
        servers[name] = stack.enter_context(running)
    return servers, topic


def _arrived(topic: door.Server) -> dict[str, int]:
    with urlopen(f"http://127.0.0.1:{topic.port}/arrived", timeout=5) as answer:
        return dict(json.load(answer))


def _tell(medians: dict[str, float], servers: list[str], loads: list[int]) -> None:
    print("| body | server |" + "".join(f" {n} connections, µs | to no-op |" for n in loads))
    print("|---|---|" + "--:|--:|" * len(loads))
    for shape in SHAPES:
        for server in servers:
            cells = ""
            for load in loads:
                cost = medians[_name(server, shape, load)]
                cells += f" {cost:.0f} | {cost / medians[_name('no-op', shape, load)]:.1f} |"
            print(f"| {shape} | {server} |{cells}")


if __name__ == "__main__":
    main()
