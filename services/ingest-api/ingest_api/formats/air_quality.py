"""An air quality station: one flat object of pollutants, a place and a time.

Each number becomes a reading of the tag `/<station>/<name of the number>`.
"""

from typing import Any

from ingest_api.document import Mark
from ingest_api.payload_format import ParseContext, Parsed, PayloadFormat, Sample

POLLUTANTS = (
    "ozone",
    "particulate_matter",
    "carbon_monoxide",
    "sulfure_dioxide",  # spelled so by the stations
    "nitrogen_dioxide",
)
MEASURED = (*POLLUTANTS, "longitude", "latitude")
STATION_KEYS = ("station", "sensor", "name", "device")


def recognises(document: Any) -> bool:
    """Whether at least two pollutants stand in it."""
    return isinstance(document, dict) and sum(key in document for key in POLLUTANTS) >= 2


def parse(document: Any, context: ParseContext) -> Parsed:
    """Read one reading per number; a station that does not name itself is the gateway."""
    station = next(
        (name for key in STATION_KEYS if isinstance(name := document.get(key), str) and name),
        context.gateway_id,
    )
    prefix = station if station.startswith("/") else f"/{station}"
    measured = [key for key in MEASURED if key in document]
    return Parsed(
        tags=[f"{prefix}/{key}" for key in measured],
        values=[document[key] for key in measured],
        qualities=[Mark.MISSING] * len(measured),
        times=[document.get("timestamp", Mark.MISSING)] * len(measured),
    )


FORMAT = PayloadFormat(
    name="air_quality",
    order=10,
    recognises=recognises,
    parse=parse,
    samples=(
        Sample(
            '{"station": "aarhus-1", "ozone": 101, "particulate_matter": 94,'
            ' "carbon_monoxide": 49, "sulfure_dioxide": 44, "nitrogen_dioxide": 87,'
            ' "longitude": 10.1050, "latitude": 56.2317, "timestamp": "2026-11-20T00:05:00Z"}',
            readings=(
                ("/aarhus-1/ozone", 101),
                ("/aarhus-1/particulate_matter", 94),
                ("/aarhus-1/carbon_monoxide", 49),
                ("/aarhus-1/sulfure_dioxide", 44),
                ("/aarhus-1/nitrogen_dioxide", 87),
                ("/aarhus-1/longitude", 10.105),
                ("/aarhus-1/latitude", 56.2317),
            ),
        ),
    ),
)
