"""The answers of N3uron's REST API Server.

Its documentation shows no history answer, so each shape that clients have been written for can be
chosen; `wrapped` is the likeliest, since `read` is known to have that wrapper.
"""

from collections.abc import Sequence
from typing import Any, Literal

from penstock_local.plant.samples import Samples

Shape = Literal["wrapped", "bare", "compact", "listed"]


def shape_history(samples: Samples, shape: Shape) -> Any:
    """Word one tag's history."""
    match shape:
        case "wrapped":
            return {"data": _events(samples, compact=False)}
        case "bare":
            return _events(samples, compact=True)
        case "compact":
            return {samples.tag: _events(samples, compact=True)}
        case "listed":
            return [{"path": samples.tag, "data": _events(samples, compact=False)}]


def shape_histories(parts: Sequence[Samples], shape: Shape) -> Any:
    """Word the history of several tags."""
    match shape:
        case "wrapped":
            return {"data": {part.tag: _events(part, compact=False) for part in parts}}
        case "bare" | "compact":
            return {part.tag: _events(part, compact=True) for part in parts}
        case "listed":
            return [{"path": part.tag, "data": _events(part, compact=False)} for part in parts]


def shape_read(samples: Samples) -> Any:
    """Word the last value, null for a tag that has none yet."""
    events = _events(samples, compact=False)
    return {"data": events[-1] if events else None}


def shape_browse(tags: Sequence[str], folder: str) -> Any:
    """Word what lies directly in a folder; None if nothing does."""
    inside = "/" + folder.strip("/") + "/" if folder.strip("/") else "/"
    children: dict[str, str] = {}
    for tag in tags:
        if tag.startswith(inside):
            name, deeper, _ = tag[len(inside) :].partition("/")
            children[name] = "folder" if deeper else "tag"
    if not children:
        return None
    return {
        "data": [
            {"name": name, "path": inside + name, "type": kind} for name, kind in children.items()
        ]
    }


def _events(samples: Samples, *, compact: bool) -> list[dict[str, Any]]:
    names = ("v", "q", "ts") if compact else ("value", "quality", "ts")
    columns = (samples.values.tolist(), samples.quality.tolist(), samples.times.tolist())
    return [dict(zip(names, event, strict=True)) for event in zip(*columns, strict=True)]
