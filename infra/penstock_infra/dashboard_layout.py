"""Widgets of a CloudWatch dashboard and their places, as plain data."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from penstock_infra.measures import Measure

Widget = dict[str, Any]
COLUMNS = 24
_WIDTH, _HEIGHT = 6, 5


def laid_out(sections: Iterable[tuple[str, Sequence[Widget]]]) -> Iterator[Widget]:
    """Place each section's widgets from left to right below its text; an empty section is none."""
    y = 0
    for markdown, widgets in sections:
        if not widgets:
            continue
        height = 2 if "\n" in markdown else 1
        text = {"type": "text", "properties": {"markdown": markdown}}
        yield {**text, "x": 0, "y": y, "width": COLUMNS, "height": height}
        y += height
        x = 0
        for widget in widgets:
            width = widget.get("width", _WIDTH)
            if x + width > COLUMNS:
                x, y = 0, y + _HEIGHT
            yield {**widget, "x": x, "y": y, "width": width, "height": _HEIGHT}
            x += width
        y += _HEIGHT


def graph(
    title: str, region: str, metrics: Iterable[Sequence[Any]], *, seconds: int = 60
) -> Widget:
    """Draw metrics over time, each as CloudWatch writes it in a dashboard."""
    properties = {
        "title": title,
        "view": "timeSeries",
        "region": region,
        "period": seconds,
        "metrics": [list(one) for one in metrics],
    }
    return {"type": "metric", "properties": properties}


def lines(title: str, region: str, measures: Iterable[tuple[str, Measure]]) -> Widget:
    """Draw measures over time, each under its label."""
    return graph(title, region, [_written(label, one) for label, one in measures])


def figures(title: str, region: str, measures: Iterable[tuple[str, Measure]]) -> Widget:
    """Show the newest value of measures as numbers, over the whole width."""
    widget = lines(title, region, measures)
    return {
        **widget,
        "width": COLUMNS,
        "properties": {**widget["properties"], "view": "singleValue", "period": 300},
    }


def search(title: str, region: str, expression: str) -> Widget:
    """Draw whatever metrics an expression finds."""
    return graph(title, region, [[{"expression": expression, "id": "found"}]])


def _written(label: str, measure: Measure) -> list[Any]:
    names = [part for pair in measure.dimensions.items() for part in pair]
    return [measure.namespace, measure.name, *names, {"stat": measure.statistic, "label": label}]
