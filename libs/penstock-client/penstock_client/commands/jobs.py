"""`penstock jobs`: start, watch and stop training jobs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from penstock_client.commands.context import (
    DEFAULT_URL,
    Token,
    Url,
    open_penstock,
    read_json,
    tell_errors,
)
from penstock_client.http import Json
from penstock_client.sdk import Jobs
from penstock_client.show import console, progress, table

app = typer.Typer(help="Training jobs.", no_args_is_help=True)

COLUMNS = ("job_id", "model", "status", "result", "created_at", "ended_at", "reason")
STAGES = ("PENDING", "PULLING", "PREPARING", "TRAINING", "EVALUATING", "DEPLOYING", "COMPLETED")


@app.command()
@tell_errors
def start(
    body: Annotated[Path, typer.Argument(help="File with the job's body as JSON.")],
    *,
    wait: Annotated[bool, typer.Option(help="Wait until it ends.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Only tell what would be done.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Start a job."""
    with open_penstock(url, token) as penstock:
        if dry_run:
            console.print_json(data=penstock.jobs.dry_run(read_json(body)))
            return
        job = penstock.jobs.start(read_json(body))
        console.print(f"started [bold]{job['job_id']}[/bold]")
        if wait:
            table([watch_job(penstock.jobs, job["job_id"])], COLUMNS)


@app.command("list")
@tell_errors
def list_jobs(
    *,
    status: str | None = None,
    model: str | None = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """List jobs, newest first."""
    with open_penstock(url, token) as penstock:
        table(penstock.jobs.list(status=status, model=model), COLUMNS)


@app.command()
@tell_errors
def show(job_id: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Show a job whole."""
    with open_penstock(url, token) as penstock:
        console.print_json(data=penstock.jobs.get(job_id))


@app.command()
@tell_errors
def wait(job_id: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Wait until a job ends; the exit code says how."""
    with open_penstock(url, token) as penstock:
        table([watch_job(penstock.jobs, job_id)], COLUMNS)


@app.command()
@tell_errors
def stop(job_id: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Ask a job to stop."""
    with open_penstock(url, token) as penstock:
        console.print(f"{job_id} is {penstock.jobs.stop(job_id)['status']}")


@app.command()
@tell_errors
def retry(job_id: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Run a failed or stopped job again."""
    with open_penstock(url, token) as penstock:
        console.print(f"{job_id} is {penstock.jobs.retry(job_id)['status']}")


@app.command()
@tell_errors
def logs(job_id: str, *, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Show the training program's own log."""
    with open_penstock(url, token) as penstock:
        console.print(penstock.jobs.logs(job_id), markup=False, highlight=False)


def watch_job(jobs: Jobs, job_id: str) -> Json:
    """Wait with a bar: slices while they are pulled, then the stages."""
    with progress() as bar:
        task = bar.add_task("PENDING", total=None)
        return jobs.wait(job_id, on_progress=lambda job: show_job(bar, task, job))


def show_job(bar: Progress, task: TaskID, job: Json) -> None:
    """Show where a job stands on a bar."""
    status = str(job["status"])
    slices = job.get("slices") or {}
    if status == "PULLING" and slices.get("planned"):
        bar.update(task, description=status, total=slices["planned"], completed=slices["done"])
        return
    stage = STAGES.index(status) if status in STAGES else 0
    bar.update(task, description=status, total=len(STAGES) - 1, completed=stage)
