"""What the worker finds around it: an endpoint, and the context that people wrote."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.integration.sagemaker.account import Account
from tests.integration.sagemaker.servers import Server


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of the local SageMaker, and whom to ask for its faults."""

    name: str
    account: Account
    server: Server

    def put_faults(self, *faults: dict[str, Any]) -> None:
        named = [{"endpoint": self.name, **fault} for fault in faults]
        status, answer = self.server.ask("PUT", "/_penstock/faults", named)
        assert status == 200, answer

    def clear_faults(self) -> None:
        self.server.ask("DELETE", "/_penstock/faults")

    def scores(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """What the model says of rows, asked without any of our code."""
        body = "\n".join(",".join(map(repr, row)) for row in rows).encode()
        answer = self.account.runtime.invoke_endpoint(
            EndpointName=self.name, Body=body, ContentType="text/csv", Accept="application/json"
        )
        told = json.loads(answer["Body"].read())
        return [one["score"] for one in told["predictions"]]


def write_context(
    dsn: str, *, assets: Sequence[str] = (), bindings: Mapping[str, object] | None = None
) -> None:
    """Write pumps of SITE01 and bindings as the console does."""
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO sites VALUES ('SITE01') ON CONFLICT DO NOTHING")
        connection.execute("INSERT INTO asset_types VALUES ('pump') ON CONFLICT DO NOTHING")
        for asset in assets:
            connection.execute(
                "INSERT INTO assets VALUES (%s, 'SITE01', 'pump', %s)",
                [asset, [f"/SITE01/{asset}"]],
            )
        for name, body in (bindings or {}).items():
            connection.execute(
                "INSERT INTO bindings (name, body, etag) VALUES (%s, %s, 'e1')", [name, Jsonb(body)]
            )


def binding_body(model: str, **more: object) -> dict[str, object]:
    return {
        "name": "pump-failure",
        "applies_to": {"asset_type": "pump"},
        "model": {"name": model},
        "trigger": {"on": "any"},
        "grace": "30d",
        "decision": {"alarm_at": 0.5},
        **more,
    }
