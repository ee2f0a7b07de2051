"""What a job will cost in slices, rows, minutes and dollars, before it is started."""

import math
from collections.abc import Mapping

from penstock.bodies import Body
from penstock.domain.time import HOUR, MINUTE, format_duration
from penstock.source_settings import RateBody

from training_orchestrator.bodies import JobBody
from training_orchestrator.dataset_bodies import DatasetBody

_ROWS_PREPARED_PER_MINUTE = 5_000_000.0
_CELLS_TRAINED_PER_MINUTE = 120_000_000.0
_START_MINUTES = 3.0
_EVALUATION_MINUTES = 8.0
_HOURS_PER_MONTH = 730.0


class Minutes(Body):
    """How long each part takes."""

    pull: float
    prepare: float
    train: float
    evaluate_and_deploy: float
    total: float


class Dollars(Body):
    """What SageMaker bills; the endpoint goes on costing for as long as it stands."""

    training: float
    evaluation: float
    endpoint_per_month: float


class Estimate(Body):
    """An order of magnitude, with what it rests on."""

    slices: int
    requests: int
    readings: int
    rows: int
    minutes: Minutes
    dollars: Dollars
    assumptions: tuple[str, ...]


def estimate(
    body: JobBody, dataset: DatasetBody, rate: RateBody, prices: Mapping[str, float]
) -> Estimate:
    """Reckon a job whose data was never seen; where a number is assumed, it is told."""
    recipe = dataset.to_domain()
    pull = recipe.pull
    assets = len({tag.asset for tag in recipe.tags})
    step = recipe.frame.every or MINUTE
    steps = math.ceil((pull.until - pull.since) / step)
    readings, rows = steps * len(pull.tags), steps * assets
    per_slice = readings / pull.slice_count
    requests = pull.slice_count * max(1, math.ceil(per_slice / (pull.page_size or per_slice)))
    minutes = _minutes(body, requests, readings, rows * recipe.frame.width, rate)
    return Estimate(
        slices=pull.slice_count,
        requests=requests,
        readings=readings,
        rows=rows,
        minutes=minutes,
        dollars=_dollars(body, minutes, prices),
        assumptions=(
            f"each tag has one reading every {format_duration(step)}",
            f"the source bears {rate.rps:g} requests a second",
            "prices are on-demand prices per hour from the settings",
        ),
    )


def _minutes(body: JobBody, requests: int, readings: int, cells: int, rate: RateBody) -> Minutes:
    rounds = float(body.train.hyperparameters.get("num_round", 100))
    pull = requests / rate.rps / 60
    prepare = readings / _ROWS_PREPARED_PER_MINUTE
    train = _START_MINUTES + cells * rounds / 100 / _CELLS_TRAINED_PER_MINUTE
    train = min(train, body.train.stop.max_runtime / MINUTE)
    deploys = body.rollout.strategy != "register_only"
    after = _EVALUATION_MINUTES * (2 if deploys else 1)
    parts = {"pull": pull, "prepare": prepare, "train": train, "evaluate_and_deploy": after}
    rounded = {name: round(value, 1) for name, value in parts.items()}
    return Minutes(**rounded, total=round(sum(parts.values()), 1))


def _dollars(body: JobBody, minutes: Minutes, prices: Mapping[str, float]) -> Dollars:
    training = prices.get(body.train.instance.type, 0.0) * body.train.instance.count
    serving = prices.get(body.rollout.instance.type, 0.0)
    deploys = body.rollout.strategy != "register_only"
    month = serving * body.rollout.instance.count * _HOURS_PER_MONTH if deploys else 0.0
    return Dollars(
        training=round(training * minutes.train * MINUTE / HOUR, 2),
        evaluation=round(serving * _EVALUATION_MINUTES / 60, 2),
        endpoint_per_month=round(month, 2),
    )
