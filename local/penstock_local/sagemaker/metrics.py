"""MetricDefinitions: read a job's log the way AWS reads the algorithm's output."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from penstock_local.sagemaker.records import FinalMetric

# A line this long is no metric; the bound keeps a careless expression from burning minutes.
_MAX_LINE = 4096


def find_bad_regex(definitions: Iterable[Mapping[str, str]]) -> str | None:
    """Return what is wrong with the first expression that does not compile or captures nothing."""
    for definition in definitions:
        try:
            groups = re.compile(definition["Regex"]).groups
        except re.error as error:
            return f"Invalid regular expression of metric '{definition['Name']}': {error}."
        if not groups:
            return f"The regular expression of metric '{definition['Name']}' captures no value."
    return None


def final_metrics(
    lines: Iterable[str], definitions: Sequence[Mapping[str, str]], *, at: float
) -> tuple[FinalMetric, ...]:
    """Take the last number that each expression's first group captured, in order of definition."""
    expressions = {entry["Name"]: re.compile(entry["Regex"]) for entry in definitions}
    last: dict[str, float] = {}
    for line in lines:
        for name, expression in expressions.items():
            found = expression.search(line[:_MAX_LINE])
            value = _number(found.group(1)) if found else None
            if value is not None:
                last[name] = value
    return tuple(
        FinalMetric(name=name, value=last[name], at=at) for name in expressions if name in last
    )


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
