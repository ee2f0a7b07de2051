"""What tracing costs the door: CPU of ingest-api per request, in ratios to a no-op ASGI server.

Closed loop of 16 connections, 100 readings a body, 64 distinct bodies; the topic takes everything
at once, the collector throws spans away. All configurations run interleaved, round by round; the
figures are medians.
"""

import argparse
from contextlib import ExitStack

from penstock_local.ports import free_ports

from benchmarks import door

CONNECTIONS = 16

RATIOS = {"off": None, "sampled 0 %": 0.0, "sampled 1 %": 0.01, "sampled 100 %": 1.0}
"""Configurations of ingest-api by the share of traces that they record; None: no collector."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=4_000, help="of one round")
    options = parser.parse_args()
    with ExitStack() as stack:
        servers = _servers(stack)
        door.pin_load()
        bodies = door.compact_bodies()
        costs = door.interleaved(
            {name: (server, door.posts(bodies, server.key)) for name, server in servers.items()},
            rounds=options.rounds, count=options.requests, connections=CONNECTIONS,
        )  # fmt: skip
    _tell(door.write_figures("tracing", costs))


def _servers(stack: ExitStack) -> dict[str, door.Server]:
    ports = free_ports(["collector", "no-op", *RATIOS])
    stack.enter_context(door.running("collector", ports["collector"]))
    servers = {"no-op": stack.enter_context(door.running("noop", ports["no-op"]))}
    for name, ratio in RATIOS.items():
        variables = {}
        if ratio is not None:
            variables = {
                "PENSTOCK_OTLP_ENDPOINT": f"http://127.0.0.1:{ports['collector']}",
                "PENSTOCK_TRACES_RATIO": str(ratio),
            }
        running = door.running("ingest", ports[name], variables=variables)
        servers[name] = stack.enter_context(running)
    return servers


def _tell(medians: dict[str, float]) -> None:
    off, noop = medians["off"], medians["no-op"]
    print("| configuration | µs CPU per request | to no-op | to off |")
    print("|---|--:|--:|--:|")
    for name, cost in medians.items():
        to_off = "" if name == "no-op" else f"{cost / off:.2f}"
        print(f"| {name} | {cost:.0f} | {cost / noop:.2f} | {to_off} |")


if __name__ == "__main__":
    main()
