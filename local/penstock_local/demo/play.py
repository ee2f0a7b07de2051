"""Plays a scenario from an empty machine to a table: the body of `make demo`."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock_client.commands.jobs import show_job
from penstock_client.gateway import SendTotals
from penstock_client.sdk import Penstock
from penstock_client.show import progress
from rich.console import Console
from rich.progress import Progress

from penstock_local.addresses import snowflake_connection
from penstock_local.checking.sent import read_logs
from penstock_local.checking.stores import Stores
from penstock_local.demo import figures, report, steps
from penstock_local.demo.history import serving_history
from penstock_local.demo.scenario import Json, Scenario
from penstock_local.demo.steps import Stage
from penstock_local.environment import ADMIN_TOKEN
from penstock_local.stack import PenstockStack


def play(
    scenario: Scenario, state_dir: Path, console: Console, *, keep: bool, observe: bool = False
) -> bool:
    """Play the scenario on a stack of its own; tell whether every prediction is where it must be.

    With `keep` the stack stays up until Ctrl-C, to look around; with `observe` traces are recorded.
    """
    shutil.rmtree(state_dir, ignore_errors=True)
    with _starting(state_dir, console, observe=observe) as stack:
        stage = Stage(
            penstock=Penstock(stack.endpoint("front-door"), ADMIN_TOKEN),
            url=stack.endpoint("front-door"),
            stores=stores_of(stack),
            folder=state_dir,
        )
        with serving_history(scenario.history, state_dir / "history.log") as history_url:
            shown = play_on(stage, scenario, console, history_url)
        report.show_addresses(console, _addresses(stack, state_dir))
        if keep:
            _wait_for_ctrl_c(console)
    return shown.outcome.is_right


def stores_of(stack: PenstockStack) -> Stores:
    """Where the checker reads on a stack."""
    port = stack.content.part("snowflake").port
    return Stores(
        aurora_dsn=stack.endpoint("postgres"),
        snowflake=snowflake_connection(port or 0),
        aws_endpoint=stack.endpoint("aws"),
    )


@contextmanager
def _starting(state_dir: Path, console: Console, *, observe: bool) -> Iterator[PenstockStack]:
    stack = PenstockStack(state_dir, observe=observe)
    try:
        with console.status("starting the stack ..."):
            stack.start()
        console.print(f"the stack is up: {stack.endpoint('front-door')}")
        yield stack
    finally:
        with console.status("stopping the stack ..."):
            stack.stop()


def play_on(stage: Stage, scenario: Scenario, console: Console, history_url: str) -> report.Figures:
    """Play the scenario on a stack that runs, and show what came of it."""
    shown = _play(stage, scenario, console, history_url)
    report.show(console, scenario, shown)
    return shown


def _play(stage: Stage, scenario: Scenario, console: Console, history_url: str) -> report.Figures:
    key = steps.set_up(stage, scenario, history_url=history_url)
    job = _train(stage, scenario)
    with console.status("proving the way of a reading with a probe ..."):
        steps.prove_the_way(stage, scenario, key)
    totals = _stream(stage, scenario, key)
    with console.status("holding the four stores against the sender's log ..."):
        outcome = steps.settle(stage, scenario)
    return report.Figures(
        job=job,
        training_seconds=figures.training_seconds(job),
        totals=totals,
        sent=len(read_logs([stage.log]).readings),
        seconds_to_aurora=figures.seconds_to_aurora(stage.stores.aurora_dsn, scenario),
        score=figures.score_of(scenario, outcome.rows["aurora"]),
        outcome=outcome,
    )


def _train(stage: Stage, scenario: Scenario) -> Json:
    with progress() as bar:
        task = bar.add_task("PENDING", total=None)
        return steps.train(stage, scenario, lambda job: show_job(bar, task, job))


def _stream(stage: Stage, scenario: Scenario, key: str) -> SendTotals:
    with progress() as bar:
        return _stream_with(bar, stage, scenario, key)


def _stream_with(bar: Progress, stage: Stage, scenario: Scenario, key: str) -> SendTotals:
    task = bar.add_task(f"streaming ({scenario.live_unit})", total=scenario.live_units)
    return steps.stream(stage, scenario, key, lambda n: bar.advance(task, n))


def _addresses(stack: PenstockStack, state_dir: Path) -> dict[str, str]:
    door = stack.endpoint("front-door")
    traces = [part.endpoint for part in stack.content.parts if part.name == "traces"]
    return {
        "front door": f"{door} (token {ADMIN_TOKEN})",
        **({"traces, metrics": traces[0]} if traces else {}),
        "predictions": f"{door}/v1/predictions/latest",
        "training API": f"{stack.endpoint('training-orchestrator')}/docs",
        "admin API": f"{stack.endpoint('console')}/docs",
        "Aurora": stack.endpoint("postgres"),
        "Snowflake": f"{stack.endpoint('snowflake')} (view V_LIVE)",
        "logs": str(state_dir / "logs"),
        "what was sent": str(state_dir / "sent.jsonl"),
    }


def _wait_for_ctrl_c(console: Console) -> None:
    console.print("The stack stays up; Ctrl-C ends it.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("")


def on_terminal() -> bool:
    """Whether a person is there to look around afterwards."""
    return sys.stdin.isatty() and sys.stdout.isatty()
