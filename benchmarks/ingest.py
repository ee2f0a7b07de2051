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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3_200, help="of one round")
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    load = {"rounds": options.rounds, "count": options.requests, "connections": options.connections}
    with ExitStack() as stack:
        servers, topic = _servers(stack)
        door.pin_load()
        configurations = {
            f"{name}, {shape}": (server, door.posts(bodies, server.key))
            for shape, bodies in {shape: make() for shape, make in SHAPES.items()}.items()
            for name, server in servers.items()
        }
        costs = door.interleaved(configurations, **load)
        arrived = _arrived(topic)
    turns = options.requests // options.connections * options.connections
    sent = (options.rounds + 1) * turns * door.READINGS * len(SHAPES)
    if arrived["readings"] != sent:
        raise SystemExit(f"{sent} readings were acknowledged, {arrived['readings']} arrived")
    packs, size = arrived["packs"], arrived["bytes"] / arrived["readings"]
    _tell(door.write_figures("ingest", costs, load=load, arrived=arrived), list(servers))
    print(f"{sent} readings in {packs} packs, {size:.1f} bytes each, none missing")


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


def _tell(medians: dict[str, float], servers: list[str]) -> None:
    print("| body | server | µs CPU per request | to no-op |")
    print("|---|---|--:|--:|")
    for shape in SHAPES:
        noop = medians[f"no-op, {shape}"]
        for name in servers:
            cost = medians[f"{name}, {shape}"]
            print(f"| {shape} | {name} | {cost:.0f} | {cost / noop:.2f} |")


if __name__ == "__main__":
    main()
