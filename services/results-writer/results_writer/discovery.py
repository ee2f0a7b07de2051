"""Every sink there is: those in `sinks/`, and those that other distributions add."""

from penstock.plugins import discover

from results_writer import sinks
from results_writer.sink import SinkPlugin


def discover_sinks() -> dict[str, SinkPlugin]:
    """Gather the sinks by name; entry points `penstock.sinks` add to them."""
    return discover(sinks, attribute="SINK", kind=SinkPlugin, group="penstock.sinks")
