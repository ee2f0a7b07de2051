"""The hyperparameters of random cut forest, named and bounded as AWS's, and `seed`."""

from dataclasses import dataclass

from penstock_algorithms.hyperparameters import hyperparameter


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestSettings:
    feature_dim: int = hyperparameter(low=1, high=10_000)
    num_trees: int = hyperparameter(100, low=50, high=1_000)
    num_samples_per_tree: int = hyperparameter(256, low=1, high=2_048)
    seed: int = hyperparameter(0, low=0)
