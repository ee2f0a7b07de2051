"""SQL that analysts find ready in Athena; every text also runs on DuckDB, where tests try it."""

import base64
import json
from dataclasses import dataclass

from penstock_infra.glue_tables import PARTITIONS, PREDICTIONS, GlueColumn, athena_type

V_LIVE = "v_live"

# Cast twice: a day less a day is a time on DuckDB.
_SINCE_YESTERDAY = "dt >= CAST(CAST(current_date - INTERVAL '1' DAY AS date) AS varchar)"

V_LIVE_COLUMNS: tuple[GlueColumn, ...] = (*PREDICTIONS.columns, *PARTITIONS)

# The id stands for binding, asset, event time and run, to the microsecond: Athena cuts times to
# milliseconds and would take two frames of one millisecond for one. The partition columns follow
# from the event time; named here, a day asked of the view is a day read and not all of them.
_NEWEST_LIVE = """
SELECT {columns}
FROM (
    SELECT {columns}, row_number() OVER (
        PARTITION BY prediction_id, dt, hour
        ORDER BY revision DESC, predicted_at DESC, pack_id DESC
    ) AS place
    FROM {database}.predictions
    WHERE run = 'live'
)
WHERE place = 1
"""


@dataclass(frozen=True, slots=True)
class Query:
    """A query by name, with what it answers."""

    name: str
    description: str
    sql: str

    def text(self, database: str) -> str:
        """Write it over the tables of a database."""
        return self.sql.strip().format(database=database, since_yesterday=_SINCE_YESTERDAY)


def v_live(database: str) -> str:
    """Write the query that the view `v_live` is."""
    columns = ", ".join(column.name for column in V_LIVE_COLUMNS)
    return _NEWEST_LIVE.strip().format(columns=columns, database=database)


def presto_view(database: str) -> str:
    """Write the view as Athena keeps it in the catalog."""
    columns = [{"name": one.name, "type": athena_type(one.type)} for one in V_LIVE_COLUMNS]
    view = {
        "originalSql": v_live(database),
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": columns,
    }
    return f"/* Presto View: {base64.b64encode(json.dumps(view).encode()).decode()} */"


QUERIES: tuple[Query, ...] = (
    Query(
        "latest-by-asset",
        "The newest live prediction of each asset and binding since yesterday",
        """
SELECT site, asset, binding, event_time, value, probability, decision, model_version
FROM (
    SELECT *, row_number() OVER (PARTITION BY asset, binding ORDER BY event_time DESC) AS place
    FROM {database}.v_live
    WHERE {since_yesterday}
)
WHERE place = 1
ORDER BY site, asset, binding
""",
    ),
    Query(
        "as-shown-an-hour-ago",
        "What the newest revisions said an hour ago, of event times since yesterday",
        """
SELECT asset, binding, event_time, revision, value, probability, decision, predicted_at
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY prediction_id, dt, hour
        ORDER BY revision DESC, predicted_at DESC, pack_id DESC
    ) AS place
    FROM {database}.predictions
    WHERE run = 'live'
      AND predicted_at <= current_timestamp - INTERVAL '1' HOUR
      AND {since_yesterday}
)
WHERE place = 1
ORDER BY asset, binding, event_time
""",
    ),
    Query(
        "freshness",
        "How far the live predictions of each binding go, and how many there are since yesterday",
        """
SELECT binding, max(event_time) AS newest_event_time, max(predicted_at) AS newest_predicted_at,
       count(*) AS prediction_count, count(DISTINCT asset) AS asset_count
FROM {database}.v_live
WHERE {since_yesterday}
GROUP BY binding
ORDER BY binding
""",
    ),
    Query(
        "refused-by-reason",
        "Items in quarantine since yesterday, by gateway and reason",
        """
SELECT gateway_id, reason, count(*) AS item_count, min(item) AS example
FROM {database}.quarantine
WHERE {since_yesterday}
GROUP BY gateway_id, reason
ORDER BY item_count DESC
""",
    ),
    Query(
        "latest-readings",
        "The newest reading of each tag since yesterday, as it was accepted last",
        """
SELECT gateway_id, tag, "at", value, text, quality
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY gateway_id, tag ORDER BY "at" DESC, accepted_at DESC, pack_id DESC
    ) AS place
    FROM {database}.readings
    WHERE {since_yesterday}
)
WHERE place = 1
ORDER BY gateway_id, tag
""",
    ),
    Query(
        "device-messages",
        "The newest hundred messages of devices since yesterday, as they were sent",
        """
SELECT thing, topic, received_at, from_utf8(from_base64(payload)) AS sent
FROM {database}.device_messages
WHERE {since_yesterday}
ORDER BY received_at DESC
LIMIT 100
""",
    ),
)


def named_queries(database: str) -> tuple[Query, ...]:
    """Every query with its text over a database, and the making of the view first."""
    view = Query(
        "make-v-live",
        "Makes the view v_live anew, should the one of the deployment not be accepted",
        f"CREATE OR REPLACE VIEW {database}.{V_LIVE} AS\n{v_live(database)}",
    )
    return (view, *(Query(one.name, one.description, one.text(database)) for one in QUERIES))
