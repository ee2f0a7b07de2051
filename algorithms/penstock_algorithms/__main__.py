"""`python -m penstock_algorithms [algorithm] train|serve`; an image names its algorithm itself, in
PENSTOCK_ALGORITHM.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from penstock_algorithms.contract import Layout
from penstock_algorithms.registry import algorithm_names, load_algorithm
from penstock_algorithms.serving import ServingSettings, serve
from penstock_algorithms.training import run_training

# Read by OpenMP when it is loaded: idle threads that spin make a busy machine ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="penstock-algorithm", description=__doc__)
    parser.add_argument("algorithm", nargs="?", default=os.environ.get("PENSTOCK_ALGORITHM"))
    parser.add_argument("command", choices=["train", "serve"])
    chosen = parser.parse_args(arguments)
    if chosen.algorithm not in algorithm_names():
        parser.error(f"name one of {', '.join(algorithm_names())}, or set PENSTOCK_ALGORITHM to it")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    algorithm = load_algorithm(chosen.algorithm)
    layout = Layout.from_environment(os.environ)
    if chosen.command == "train":
        return run_training(algorithm, layout)
    serve(algorithm.load(layout.model), ServingSettings.from_environment(os.environ))
    return 0


if __name__ == "__main__":
    sys.exit(main())
