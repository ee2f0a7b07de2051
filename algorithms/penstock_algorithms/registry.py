"""Find the algorithms: every folder of this package with a module `algorithm` is one."""

import importlib
import pkgutil
from typing import Any

import penstock_algorithms
from penstock_algorithms.contract import Algorithm


def algorithm_names() -> list[str]:
    """Return the names as they are typed: `forecasting-deepar` for a folder forecasting_deepar."""
    modules = pkgutil.iter_modules(penstock_algorithms.__path__)
    return sorted(module.name.replace("_", "-") for module in modules if module.ispkg)


def load_algorithm(name: str) -> Algorithm[Any]:
    """Import one algorithm, and none of the others, whose libraries take seconds to load."""
    if name not in algorithm_names():
        raise LookupError(f"no algorithm {name}; known are {', '.join(algorithm_names())}")
    folder = name.replace("-", "_")
    module = importlib.import_module(f"{penstock_algorithms.__name__}.{folder}.algorithm")
    algorithm = module.ALGORITHM
    if not isinstance(algorithm, Algorithm):
        raise TypeError(f"{module.__name__}.ALGORITHM must be an Algorithm")
    return algorithm
