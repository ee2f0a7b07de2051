"""The viewer's pages, rendered here: no script, nothing fetched from elsewhere."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import jinja2

from penstock_local.observing.records import Trace
from penstock_local.observing.series import Series, sparkline
from penstock_local.observing.store import TraceStore, Wanted
from penstock_local.observing.waterfall import rows_of, ticks_of, time_label

_COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#92400e", "#0891b2", "#65a30d", "#db2777")
_KNOWN_ORDER = (
    "ingest-api", "inference-worker", "results-writer", "training-orchestrator",
    "training-fetcher", "training-preparer", "console",
)  # fmt: skip
_SHOWN_TRACES = 200
_SHOWN_ROWS = 1_000


class Pages:
    """Renders the templates beside this module; all that spans say is escaped."""

    def __init__(self) -> None:
        """Read the templates."""
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("penstock_local.observing"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            ms=time_label, moment=_moment, colour=_colour, sparkline=_sparkline
        )

    def traces(self, store: TraceStore, wanted: Wanted, *, refresh: bool) -> str:
        """The list of recent traces."""
        traces = store.recent(wanted, most=_SHOWN_TRACES)
        longest = max((trace.duration_ms for trace in traces), default=1.0) or 1.0
        return self._render(
            "traces.html", traces=traces, longest=longest, wanted=wanted, refresh=refresh,
            services=store.services, kept=len(store), kept_spans=store.spans,
        )  # fmt: skip

    def trace(self, trace: Trace, linking: Sequence[str]) -> str:
        """One trace as a waterfall."""
        rows = rows_of(trace)
        return self._render(
            "trace.html", trace=trace, rows=rows[:_SHOWN_ROWS], ticks=ticks_of(trace),
            hidden=len(rows) - len(rows[:_SHOWN_ROWS]),
            sharing=sorted({*trace.links(), *linking} - {trace.trace_id}),
        )  # fmt: skip

    def services(self, series: Mapping[str, Series], *, now: float) -> str:
        """The metrics of every service."""
        figures = {name: one.figures() for name, one in series.items()}
        return self._render("services.html", series=series, figures=figures, now=now)

    def not_found(self, text: str) -> str:
        """Say that no such trace is kept, and why that may be."""
        return self._render("not_found.html", text=text)

    def _render(self, name: str, **values: object) -> str:
        return self._templates.get_template(name).render(**values)


def _moment(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, tz=UTC).astimezone()
    return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def _colour(service: str) -> str:
    known = _KNOWN_ORDER.index(service) if service in _KNOWN_ORDER else sum(service.encode())
    return _COLOURS[known % len(_COLOURS)]


def _sparkline(points: tuple[float, ...]) -> str:
    return sparkline(points, width=160, height=26)
