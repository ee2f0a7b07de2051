"""`train`: one run of an algorithm, from the contract's files to a model or a failure text."""

import logging
from typing import Any

from penstock_algorithms.contract import Algorithm, Layout, TrainingJob
from penstock_algorithms.errors import CustomerError
from penstock_algorithms.hyperparameters import parse_hyperparameters

logger = logging.getLogger(__name__)


def run_training(algorithm: Algorithm[Any], layout: Layout) -> int:
    """Train and return the exit code; whatever goes wrong is also told in output/failure."""
    try:
        settings = parse_hyperparameters(algorithm.settings, layout.read_config("hyperparameters"))
        layout.model.mkdir(parents=True, exist_ok=True)
        algorithm.train(TrainingJob(settings, layout.channels(), layout.model))
    except CustomerError as error:
        logger.error("Customer Error: %s", error)  # noqa: TRY400  # the author's fault needs no traceback
        layout.write_failure(f"Customer Error: {error}")
        return 1
    except Exception as error:
        logger.exception("training failed")
        layout.write_failure(f"Algorithm Error: {type(error).__name__}: {error}")
        return 1
    return 0
