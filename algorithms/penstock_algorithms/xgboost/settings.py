"""The hyperparameters of the XGBoost algorithm, named and bounded as in AWS's container."""

from dataclasses import dataclass, fields
from typing import Any

from penstock_algorithms.errors import CustomerError
from penstock_algorithms.hyperparameters import hyperparameter, wire_name

OBJECTIVES = (
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:logistic",
    "reg:gamma",
    "reg:tweedie",
    "count:poisson",
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "multi:softmax",
    "multi:softprob",
)

# What the training loop takes for itself; everything else goes to the booster.
_LOOP = ("num_round", "early_stopping_rounds", "eval_metric")


@dataclass(frozen=True, slots=True, kw_only=True)
class XgboostSettings:
    num_round: int = hyperparameter(low=1)
    objective: str = hyperparameter("reg:squarederror", choices=OBJECTIVES)
    eval_metric: str | None = hyperparameter(None)
    early_stopping_rounds: int | None = hyperparameter(None, low=1)
    num_class: int | None = hyperparameter(None, low=2)
    max_depth: int | None = hyperparameter(None, low=0)
    max_leaves: int | None = hyperparameter(None, low=0)
    max_bin: int | None = hyperparameter(None, low=2)
    max_delta_step: float | None = hyperparameter(None, low=0)
    eta: float | None = hyperparameter(None, low=0, high=1)
    gamma: float | None = hyperparameter(None, low=0)
    min_child_weight: float | None = hyperparameter(None, low=0)
    subsample: float | None = hyperparameter(None, low=0, high=1)
    colsample_bytree: float | None = hyperparameter(None, low=0, high=1)
    colsample_bylevel: float | None = hyperparameter(None, low=0, high=1)
    colsample_bynode: float | None = hyperparameter(None, low=0, high=1)
    scale_pos_weight: float | None = hyperparameter(None, low=0)
    base_score: float | None = hyperparameter(None)
    l2_penalty: float | None = hyperparameter(None, name="lambda", low=0)
    l1_penalty: float | None = hyperparameter(None, name="alpha", low=0)
    tweedie_variance_power: float | None = hyperparameter(None, low=1, high=2)
    tree_method: str | None = hyperparameter(None, choices=("auto", "exact", "approx", "hist"))
    grow_policy: str | None = hyperparameter(None, choices=("depthwise", "lossguide"))
    seed: int = hyperparameter(0, low=0)
    nthread: int | None = hyperparameter(None, low=1)

    def metrics(self) -> list[str]:
        """Return the metrics to print; the last one decides early stopping."""
        return [name.strip() for name in (self.eval_metric or "").split(",") if name.strip()]

    def booster_parameters(self) -> dict[str, Any]:
        """Return what the booster is told; what is not set keeps XGBoost's own default."""
        self._check_classes()
        parameters = {
            wire_name(field): getattr(self, field.name)
            for field in fields(self)
            if field.name not in _LOOP and getattr(self, field.name) is not None
        }
        if self.metrics():
            parameters["eval_metric"] = self.metrics()
        return parameters

    def _check_classes(self) -> None:
        many = self.objective.startswith("multi:")
        if many and self.num_class is None:
            raise CustomerError(f"Objective {self.objective} needs hyperparameter 'num_class'")
        if not many and self.num_class is not None:
            raise CustomerError(
                f"Hyperparameter 'num_class' goes with multi:softmax and multi:softprob, "
                f"not with {self.objective}"
            )
