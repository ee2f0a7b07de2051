"""Every fault of a job's body at once, each with its JSON path and what to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from penstock.domain.errors import InvalidInput
from penstock.model_type import ModelType
from pydantic import BaseModel, TypeAdapter, ValidationError

from training_orchestrator.bodies import EvaluateBody, JobBody, RolloutBody, TrainBody
from training_orchestrator.dataset_bodies import DatasetBody

_PARTS: dict[str, TypeAdapter[Any]] = {
    name: TypeAdapter(hint)
    for name, hint in get_type_hints(JobBody, include_extras=True).items()
    if name in JobBody.model_fields
}
_UNION_TAGS = frozenset({"pull", "ref"})


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where."""

    path: str
    message: str


class FaultyBody(InvalidInput):
    """A body that cannot be accepted, with all its faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Keep the faults for the answer."""
        super().__init__("; ".join(f"{fault.path}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the deployment allows."""

    model_types: Mapping[str, ModelType]
    instance_types: Mapping[str, float]


class Reading:
    """A body read part by part, so that a fault in one does not hide those of another."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        """Read every part that can be read."""
        self.faults: list[Fault] = []
        self._parts: dict[str, Any] = {}
        for name in sorted(set(raw) - set(_PARTS)):
            self.faults.append(Fault(name, f"there is no such field; known are {_known()}"))
        for name, adapter in _PARTS.items():
            self._read(name, adapter, raw)

    def _read(self, name: str, adapter: TypeAdapter[Any], raw: Mapping[str, Any]) -> None:
        if name not in raw:
            field = JobBody.model_fields[name]
            if field.is_required():
                self.faults.append(Fault(name, "is needed"))
            else:
                self._parts[name] = field.get_default(call_default_factory=True)
            return
        try:
            self._parts[name] = adapter.validate_python(raw[name])
        except ValidationError as error:
            self.faults.extend(_faults_of(error, name))

    def part(self, name: str, kind: type[BaseModel]) -> Any:
        """A part that could be read, else None."""
        part = self._parts.get(name)
        return part if isinstance(part, kind) else None

    def body(self) -> JobBody:
        """The whole body; raise FaultyBody where anything is wrong with it."""
        if self.faults:
            raise FaultyBody(self.faults)
        return JobBody.model_validate(self._parts)


def cross_faults(
    train: TrainBody | None,
    dataset: DatasetBody | None,
    evaluate: EvaluateBody | None,
    rollout: RolloutBody | None,
    limits: Limits,
) -> Iterator[Fault]:
    """Faults that only show when parts are seen together; a part that is None is left out."""
    if train is not None:
        yield from _training_faults(train, dataset, limits)
        yield from _instance_faults("train.instance.type", train.instance.type, limits)
    if rollout is not None:
        yield from _instance_faults("rollout.instance.type", rollout.instance.type, limits)
    if dataset is not None and evaluate is not None and dataset.label is None:
        for name in ("min", "max", "beat_champion_by"):
            if getattr(evaluate, name) is not None:
                yield Fault(f"evaluate.{name}", "there is no label to judge by; leave it out")


def default_algorithm(dataset: DatasetBody) -> str:
    """What learns where the job does not say."""
    return "xgboost" if dataset.label else "randomcutforest"


def _training_faults(
    train: TrainBody, dataset: DatasetBody | None, limits: Limits
) -> Iterator[Fault]:
    if dataset is None and train.algorithm is None:
        return
    name = train.algorithm or default_algorithm(dataset) if dataset else train.algorithm
    model_type = limits.model_types.get(name or "")
    if model_type is None:
        known = ", ".join(sorted(limits.model_types))
        yield Fault("train.algorithm", f"{name} is not supported yet; use {known}")
        return
    if dataset is None:
        return
    if model_type.layout.has_label and dataset.label is None:
        yield Fault("dataset.label", f'{name} needs one, as {{"tag": "FAILURE"}}')
    if not model_type.layout.has_label and dataset.label is not None:
        yield Fault("dataset.label", f"{name} learns without a label; leave it out")
    try:
        width = dataset.frame.to_domain().width
        model_type.hyperparameters(train.hyperparameters, width, dataset.seed)
    except InvalidInput as error:
        path, _, message = str(error).partition(": ")
        yield Fault(path, message)


def _instance_faults(path: str, instance_type: str, limits: Limits) -> Iterator[Fault]:
    if instance_type not in limits.instance_types:
        allowed = ", ".join(limits.instance_types)
        yield Fault(path, f"{instance_type} is not allowed here; use one of {allowed}")


def _faults_of(error: ValidationError, part: str) -> Iterator[Fault]:
    for fault in error.errors():
        steps = [part, *(str(step) for step in fault["loc"] if step not in _UNION_TAGS)]
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "missing":
            message = "is needed"
        elif fault["type"] == "extra_forbidden":
            message = "there is no such field"
        yield Fault(".".join(steps), message)


def _known() -> str:
    return ", ".join(_PARTS)
