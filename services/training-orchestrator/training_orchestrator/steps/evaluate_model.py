"""Judge the model on the test rows, through an endpoint that only the evaluation asks.

Each visit looks how things stand, does the next part and answers `pending` until the verdict is
stored. Scores are kept as they come, so a visit goes on where the last one was, whoever made it.
"""

import json
import math

from penstock.domain.endpoints import EndpointStatus, Variant
from penstock.domain.errors import UnknownObject
from penstock.domain.jobs import Job
from penstock.model_type import ModelType

from training_orchestrator.artefacts import scores_key, verdict_key
from training_orchestrator.champion import Champion, champion_of
from training_orchestrator.datasets_store import Dataset, dataset_prefix
from training_orchestrator.evaluation import (
    Verdict,
    classification_metrics,
    judge,
    score_metrics,
)
from training_orchestrator.held_out import HeldOut, read_held_out
from training_orchestrator.jobs_store import body_of
from training_orchestrator.scoring import Served, score
from training_orchestrator.step import (
    DeployFailed,
    Step,
    StepAnswer,
    TrainingFailed,
    Workbench,
)

_CANDIDATE = "candidate"
_CHAMPION = "champion"


async def run(bench: Workbench, job: Job) -> StepAnswer:
    """Go one part further towards the verdict."""
    if job.stop_requested:
        await _remove_endpoint(bench, job)
        return StepAnswer("stopped")
    if await _has(bench, verdict_key(job)):
        await _remove_endpoint(bench, job)
        return StepAnswer("done")
    if not await _is_in_service(bench, job):
        return _pending(bench)
    return await _score_and_judge(bench, job)


async def _is_in_service(bench: Workbench, job: Job) -> bool:
    """Make the model and its temporary endpoint, and tell whether it answers yet."""
    body = body_of(job)
    name, endpoint_name = bench.sagemaker_name(job), bench.evaluation_name(job)
    endpoint = await bench.endpoints.describe(endpoint_name)
    if endpoint is None:
        training = await bench.trainings.describe(name)
        if training is None or not training.artefact:
            raise TrainingFailed(f"training {name} left no model")
        image = bench.image_of(bench.model_types[body.algorithm])
        await bench.endpoints.ensure_model(endpoint_name, image=image, artefact=training.artefact)
        variant = Variant(_CANDIDATE, endpoint_name, body.rollout.instance.type)
        await bench.endpoints.ensure_config(endpoint_name, [variant])
        await bench.endpoints.create(endpoint_name, endpoint_name)
        await bench.jobs.tell(job, "evaluation.started", endpoint=endpoint_name)
        return False
    if endpoint.status.is_changing:
        bench.check_not_stuck(endpoint)
        return False
    if endpoint.status is not EndpointStatus.IN_SERVICE:
        raise DeployFailed(
            f"the endpoint of the evaluation is {endpoint.status}: {endpoint.failure_reason}"
        )
    return True


async def _score_and_judge(bench: Workbench, job: Job) -> StepAnswer:
    body = body_of(job)
    model_type = bench.model_types[body.algorithm]
    dataset = await bench.datasets.load(job.dataset_id)
    rows = await _test_rows(bench, dataset, model_type)
    served = Served(bench.evaluation_name(job), model_type)
    scores = await _scores(bench, job, _CANDIDATE, served, rows)
    if scores is None:
        return _pending(bench)
    champion = await champion_of(bench, job.model, dataset)
    champion_scores: list[float] | None = []
    if champion is not None and champion.served is not None and rows.labels is not None:
        champion_scores = await _scores(bench, job, _CHAMPION, champion.served, rows)
    if champion_scores is None:
        return _pending(bench)
    verdict = _verdict(job, rows, scores, champion, champion_scores)
    await _keep(bench, job, verdict)
    return _pending(bench)


async def _scores(
    bench: Workbench,
    job: Job,
    who: str,
    served: Served,
    rows: HeldOut,
) -> list[float] | None:
    """Scores of all rows, or None where the time of this visit was up before."""
    key = scores_key(job, who)
    held = json.loads(await bench.objects.get(key)) if await _has(bench, key) else []
    scores = [math.nan if one is None else float(one) for one in held]
    if len(scores) < len(rows):
        remaining = rows.features[len(scores) :].tolist()
        seconds = bench.settings.scoring_seconds
        scores += await score(bench.models, served, remaining, seconds=seconds)
        kept = [None if math.isnan(one) else one for one in scores]
        await bench.objects.put(key, json.dumps(kept).encode(), content_type="application/json")
    return scores if len(scores) == len(rows) else None


def _verdict(
    job: Job,
    rows: HeldOut,
    scores: list[float],
    champion: Champion | None,
    champion_scores: list[float],
) -> Verdict:
    known = [at for at, one in enumerate(scores) if not math.isnan(one)]
    if not known:
        return Verdict(passed=False, reason="the model scored none of the test rows", rows=0)
    gate = body_of(job).evaluate
    mine = [scores[at] for at in known]
    if rows.labels is None:
        return judge(gate, score_metrics(mine), rows=len(known))
    labels = rows.labels[known].tolist()
    theirs: dict[str, float] = {}
    if champion is not None:
        theirs = (
            classification_metrics(labels, [champion_scores[at] for at in known])
            if champion_scores
            else _metrics_of(champion)
        )
    return judge(
        gate, classification_metrics(labels, mine), rows=len(known),
        champion=champion.version.version if champion else None, champion_metrics=theirs,
    )  # fmt: skip


def _metrics_of(champion: Champion) -> dict[str, float]:
    """What the champion reached on its own test rows, where it cannot be asked these."""
    return {name: float(value) for name, value in json.loads(champion.version.metrics).items()}


async def _keep(bench: Workbench, job: Job, verdict: Verdict) -> None:
    text = verdict.model_dump_json()
    await bench.jobs.note(job, verdict=text)
    await bench.jobs.tell(job, "evaluation.judged", passed=verdict.passed, reason=verdict.reason)
    await bench.objects.put(verdict_key(job), text.encode(), content_type="application/json")


async def _test_rows(bench: Workbench, dataset: Dataset, model_type: ModelType) -> HeldOut:
    body = await bench.objects.get(f"{dataset_prefix(dataset.dataset_id)}test/part-0.csv")
    return read_held_out(
        body,
        has_label=model_type.layout.has_label,
        at_most=bench.settings.evaluation_rows,
    )


async def _remove_endpoint(bench: Workbench, job: Job) -> None:
    await bench.endpoints.remove(bench.evaluation_name(job))


async def _has(bench: Workbench, key: str) -> bool:
    try:
        await bench.objects.get(key)
    except UnknownObject:
        return False
    return True


def _pending(bench: Workbench) -> StepAnswer:
    return StepAnswer("pending", bench.soon)


STEP = Step(run)
