"""Every part of Penstock on one machine, as data."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from penstock.command import Command
from penstock.resources import COMMANDS, OTHER_PATHS, PATH_RULES

from penstock_local.addresses import aurora_dsn, backends, http_url, on_loopback
from penstock_local.environment import (
    SAGEMAKER_ROLE,
    inherited,
    own_access_key,
    service_defaults,
    service_variables,
    sources_on_loopback,
    stack_variables,
    tracing_defaults,
    tracing_variables,
)
from penstock_local.part import Finished, HttpReady, Part, TcpReady
from penstock_local.probes import sql_ready

INFRASTRUCTURE = ("aws", "sagemaker", "postgres", "snowflake", "bootstrap")
ALSO_AFTER: Mapping[str, tuple[str, ...]] = {
    "inference-worker": ("sagemaker",),
    "results-writer": ("snowflake",),
    "training-orchestrator": ("sagemaker",),
}
"""What a service starts after beside the bootstrap, which each needs."""


def all_parts(
    state_dir: Path,
    ports: Mapping[str, int],
    environment: Mapping[str, str],
    *,
    observe: bool = False,
) -> list[Part]:
    """Return the whole stack: stand-ins, bootstrap, services, front door.

    With `observe` the services' traces are recorded and a part shows them.
    """
    shared = inherited(environment) | stack_variables(on_loopback(ports)) | sources_on_loopback()
    services = [_service(command, ports, shared) for command in COMMANDS]
    traces = [_traces(ports, shared)] if observe else []
    if observe:
        services = [_observed(service, ports) for service in services]
    return [
        *_stand_ins(state_dir, ports, shared),
        _bootstrap(shared),
        *traces,
        *services,
        _front_door(ports, shared),
    ]


def _stand_ins(state_dir: Path, ports: Mapping[str, int], env: Mapping[str, str]) -> list[Part]:
    def run(module: str, name: str) -> tuple[str, ...]:
        place = ("--port", str(ports[name]), "--state-dir", str(state_dir / name))
        return (sys.executable, "-m", f"penstock_local.{module}", *place)

    aws, sagemaker = ports["aws"], ports["sagemaker"]
    return [
        Part(
            name="aws",
            argv=run("ministack", "aws"),
            env=env,
            ready=HttpReady(f"{http_url(aws)}/_ministack/health"),
            port=aws,
            endpoint=http_url(aws),
            stop_timeout_seconds=20.0,  # it writes its state
        ),
        Part(
            name="sagemaker",
            argv=run("sagemaker", "sagemaker"),
            env={**env, **own_access_key(SAGEMAKER_ROLE)},
            ready=TcpReady(sagemaker),
            port=sagemaker,
            endpoint=http_url(sagemaker),
            depends_on=("aws",),
            stop_timeout_seconds=20.0,
        ),
        Part(
            name="postgres",
            argv=run("postgres", "postgres"),
            env=env,
            ready=sql_ready(aurora_dsn(ports["postgres"])),
            port=ports["postgres"],
            endpoint=aurora_dsn(ports["postgres"]),
            stop_timeout_seconds=20.0,
        ),
        Part(
            name="snowflake",
            argv=run("warehouse", "snowflake"),
            env=env,
            ready=TcpReady(ports["snowflake"]),
            port=ports["snowflake"],
            endpoint=http_url(ports["snowflake"]),
        ),
    ]


def _bootstrap(env: Mapping[str, str]) -> Part:
    return Part(
        name="bootstrap",
        argv=(sys.executable, "-m", "penstock_local.bootstrap"),
        env=env,
        ready=Finished(),
        depends_on=("aws", "postgres"),
    )


def _service(command: Command, ports: Mapping[str, int], env: Mapping[str, str]) -> Part:
    name = command.name
    return Part(
        name=name,
        argv=(str(Path(sys.executable).with_name(name)),),
        env={**service_defaults(command), **env, **service_variables(command, on_loopback(ports))},
        ready=HttpReady(f"{http_url(ports[name])}/readyz"),
        port=ports[name],
        endpoint=http_url(ports[name]),
        depends_on=("bootstrap", *ALSO_AFTER.get(name, ())),
        stop_timeout_seconds=command.stop_seconds,
    )


def _traces(ports: Mapping[str, int], env: Mapping[str, str]) -> Part:
    port = ports["traces"]
    services = [f"--service={c.name}={http_url(ports[c.name])}" for c in COMMANDS]
    return Part(
        name="traces",
        argv=(sys.executable, "-m", "penstock_local.observing", "--port", str(port), *services),
        env=env,
        ready=HttpReady(f"{http_url(port)}/healthz"),
        port=port,
        endpoint=http_url(port),
    )


def _observed(service: Part, ports: Mapping[str, int]) -> Part:
    return replace(
        service,
        env=tracing_defaults() | dict(service.env) | tracing_variables(on_loopback(ports)),
        # Not to be ready itself, but so that it ends first and its last spans still arrive.
        depends_on=(*service.depends_on, "traces"),
    )


def _front_door(ports: Mapping[str, int], env: Mapping[str, str]) -> Part:
    services = tuple(dict.fromkeys((*(rule.command for rule in PATH_RULES), OTHER_PATHS)))
    port = ports["front-door"]
    arguments = backends(on_loopback(ports), services)
    return Part(
        name="front-door",
        argv=(
            *(sys.executable, "-m", "penstock_local.front_door", "--port", str(port)),
            *arguments,
        ),
        env=env,
        ready=HttpReady(f"{http_url(port)}/healthz"),
        port=port,
        endpoint=http_url(port),
        depends_on=services,
    )
