"""What goes wrong, to which requests and how often. No network here."""

import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt

Kind = Literal[
    "delay",  # wait `seconds`
    "drop",  # reset the connection
    "throttle",  # refuse as the service does when it is called too often
    "error",  # answer `status`, 500 by default
    "duplicate",  # send the request twice, answer the second time's answer
    "cut",  # send half of the answer, then close the connection
    "truncate",  # send half of the answer as if it were the whole
    "wrong_total",  # tell a total that is not the number of records (paged sources only)
    "refuse",  # do not listen at all
]


def _is_regex(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


class Fault(BaseModel):
    """One thing that goes wrong. Every condition that is given must hold for a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    count: PositiveInt | None = None
    method: str | None = None
    path: str = ""
    """Beginning of the request's path."""
    action: Annotated[str, AfterValidator(_is_regex)] | None = None
    """Regular expression, found in X-Amz-Target or in the form field Action."""
    when: Literal["before", "after"] = "before"
    """`after`: the target has acted by then, only its answer does not arrive as it should."""
    seconds: NonNegativeFloat | None = None
    """How long `delay` waits, 1 s by default; `refuse` with seconds ends by itself."""
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    code: str | None = None
    retry_after: PositiveInt | None = None

    def concerns(self, request: "RequestFacts") -> bool:
        """Tell whether the request fulfils the conditions."""
        return (
            request.path.startswith(self.path)
            and (self.method is None or self.method.upper() == request.method)
            and (self.action is None or re.search(self.action, request.action) is not None)
        )


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What a fault's conditions look at; a raw TCP chunk has only defaults."""

    method: str = ""
    path: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happens to one request: waits before and after the target acts, and at most one end."""

    delay_before: float = 0.0
    delay_after: float = 0.0
    end: Fault | None = None


class FaultBook:
    """The faults in force, which of them strike, and how often each kind has.

    Draws come from a seeded generator, so that a run can be repeated.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  # no secret depends on it
        self._left: list[tuple[Fault, int | None]] = []
        self.hits: Counter[str] = Counter()
        self.set(*faults)

    @property
    def faults(self) -> list[Fault]:
        """The faults that can still strike, with the counts that are left."""
        return [fault.model_copy(update={"count": left}) for fault, left in self._left if left != 0]

    @property
    def refusing(self) -> Fault | None:
        return next((fault for fault, _ in self._left if fault.kind == "refuse"), None)

    def set(self, *faults: Fault) -> None:
        """Replace all faults."""
        self._left = [(fault, fault.count) for fault in faults]

    def judge(self, request: RequestFacts) -> Verdict:
        """Draw what happens to `request`: all delays that strike, and the first other fault."""
        before = after = 0.0
        for index, (fault, _) in enumerate(self._left):
            if fault.kind == "refuse" or not self._strikes(index, request):
                continue
            if fault.kind != "delay":
                return Verdict(before, after, fault)
            wait = 1.0 if fault.seconds is None else fault.seconds
            if fault.when == "before":
                before += wait
            else:
                after += wait
        return Verdict(before, after)

    def _strikes(self, index: int, request: RequestFacts) -> bool:
        fault, left = self._left[index]
        if left == 0 or not fault.concerns(request):
            return False
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        self._left[index] = (fault, None if left is None else left - 1)
        self.hits[fault.kind] += 1
        return True
