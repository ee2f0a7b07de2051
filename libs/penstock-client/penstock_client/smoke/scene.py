"""A smoke test of a deployment through its public doors alone, with things of its own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from penstock_client.errors import ApiError, PenstockClientError
from penstock_client.gateway import GatewaySender, Payload
from penstock_client.http import Session
from penstock_client.sdk import Named, Penstock
from penstock_client.smoke.plan import (
    SITE,
    Asked,
    Names,
    asked_of,
    leftovers,
    loose_body,
    scan_body,
)
from penstock_client.smoke.running import Outcome, Patience, Step, take

NOBODYS_KEY = "psk_nobody_" + "0" * 64
"""Of the right form, and no gateway's."""


class Unexpected(PenstockClientError):
    """A door answered, and not what it must."""


@dataclass(slots=True)
class Scene:
    """What a smoke test has in hand; `made` lists what it must remove, oldest first."""

    url: str
    penstock: Penstock
    names: Names
    patience: Patience
    model: str = ""
    leftovers_older_than: timedelta = timedelta(minutes=15)
    transport: httpx.BaseTransport | None = None
    utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)
    made: list[Named] = field(default_factory=list)
    _key: str = ""
    _asked: Asked | None = None
    _sent_at: list[datetime] = field(default_factory=list)

    def run(self) -> Iterator[Outcome]:
        """Take every step; clean up in any case."""
        return take(self.steps(), self._last(), now=self.patience.now)

    def steps(self) -> Sequence[Step]:
        """All steps but the last, in order."""
        common = [
            Step("the address answers, the token is good", self.reach, _CONSOLE),
            Step("strangers are refused", self.refuse_strangers, _STRANGERS),
            Step("what killed smoke tests left", self.remove_leftovers, _CONSOLE),
            Step("a gateway and its key", self.make_gateway, _CONSOLE),
            Step("an asset type and an asset", self.make_asset, _AURORA),
            Step("the key opens the door", self.knock, _INGEST),
            Step("readings are accepted", self.send_loose, _INGEST),
            Step("readings are archived, their tags listed", self.see_discovered, _ARCHIVE),
        ]
        if not self.model:
            return common
        return [
            *common,
            Step(f"model {self.model} is bound to the asset", self.bind, _MODEL),
            Step("a frame is predicted", self.see_predicted, _PREDICTED),
            Step("its prediction is in Aurora", self.read_back, _HISTORY),
        ]

    def _last(self) -> Step:
        return Step("cleaned up", self.clean_up, _CLEAN)

    def reach(self) -> str:
        """Read something that needs a token."""
        count = sum(1 for _ in self.penstock.gateways.list())
        return f"{count} gateways"

    def refuse_strangers(self) -> str:
        """Prove that neither door opens to who has no key."""
        for path, token in (("/v1/gateways", "nobody"), ("/v1/ping", NOBODYS_KEY)):
            with self._session(token) as session:
                try:
                    session.get(path)
                except ApiError as error:
                    if error.status == 401:
                        continue
                    raise
                raise Unexpected(f"{path} answers to a token that nobody has")
        return "401 at both doors"

    def remove_leftovers(self) -> str:
        """Remove what smoke tests made that did not live to clean up."""
        removed = 0
        for collection, names in self._all_names():
            old = leftovers(names, now=self.utc_now(), older_than=self.leftovers_older_than)
            for name in old:
                _delete(collection, name)
                removed += 1
        return f"{removed} removed" if removed else "nothing"

    def make_gateway(self) -> str:
        """Make the gateway that sends."""
        gateways = self.penstock.gateways
        self.made.append(gateways)
        body = {"description": "a smoke test", "paths": [self.names.prefix]}
        gateways.put(self.names.name, body)
        self._key = str(gateways.add_key(self.names.name)["key"])
        return self.names.name

    def make_asset(self) -> str:
        """Make an asset of a type of its own."""
        penstock, name = self.penstock, self.names.name
        self.made.append(penstock.asset_types)
        penstock.asset_types.put(name, {})
        self.made.append(penstock.assets)
        body = {"site": SITE, "asset_type": name, "prefixes": [self.names.asset_prefix]}
        penstock.assets.put(name, body)
        return f"site {SITE}"

    def knock(self) -> str:
        """Prove the key, which a door may know a moment later than the table."""

        def look() -> str | None:
            try:
                with self._session(self._key) as session:
                    return str(session.get("/v1/ping")["gateway_id"])
            except ApiError as error:
                if error.status in {401, 503}:
                    return None
                raise

        return self.patience.until(look, "the door knows the new key")

    def send_loose(self) -> str:
        """Send readings of tags that belong to no asset."""
        answer = self._send(loose_body(self.names, self.utc_now()))
        return f"{answer['accepted']} accepted"

    def see_discovered(self) -> str:
        """Wait until all their tags are listed, which the archive's consumer does."""
        wanted = set(self.names.loose)

        def look() -> str | None:
            query = {"discovered": "true", "gateway_id": self.names.name}
            found = {str(row["tag"]) for row in self.penstock.session.items("/v1/tags", **query)}
            return f"{len(wanted)} tags" if wanted <= found else None

        return self.patience.until(look, f"the tags below {self.names.prefix}/LOOSE are listed")

    def bind(self) -> str:
        """Bind the model's champion to the asset."""
        version = self.penstock.session.get(f"/v1/models/{self.model}/versions/champion")
        self._asked = asked_of(version)
        self.made.append(self.penstock.bindings)
        body = {"applies_to": {"asset": self.names.name}, "model": {"name": self.model}}
        self.penstock.bindings.put(self.names.name, body)
        return f"version {version['version']}, {len(self._asked.values)} tags"

    def see_predicted(self) -> str:
        """Send scans until one of them is predicted.

        Until the worker has read the new binding, its readings are nobody's: they come again.
        """
        asked = self._asked
        if asked is None:
            raise Unexpected("no model is bound")

        def look() -> str | None:
            now = self.utc_now()
            self._sent_at.append(now)
            self._send(scan_body(self.names, asked, now))
            for item in self.penstock.predictions.latest(asset=self.names.name):
                return f"value {item.get('value')} by version {item.get('model_version')}"
            return None

        return self.patience.until(look, f"a prediction of asset {self.names.name}")

    def read_back(self) -> str:
        """Read the history of the asset: an event time that was sent, and the right model."""

        def look() -> str | None:
            for item in self.penstock.predictions.list(asset=self.names.name):
                return self._checked(item)
            return None

        seen = self.patience.until(look, f"a row of asset {self.names.name}")
        self._wait_until_quiet()
        return seen

    def _checked(self, item: dict[str, Any]) -> str:
        # A frame's step floors its event time, by a day at most.
        oldest, newest = self._sent_at[0] - timedelta(days=1), self._sent_at[-1]
        at = datetime.fromisoformat(str(item["event_time"]))
        if item["model"] != self.model:
            raise Unexpected(f"the prediction names model {item['model']}")
        if not oldest <= at <= newest:
            raise Unexpected(f"the prediction is of {at}, when nothing was sent")
        return f"event time {item['event_time']}"

    def _wait_until_quiet(self) -> None:
        """Wait until the newest prediction stays the same: one that came after the asset was
        removed would put it back among the newest.
        """
        before: list[Any] = [None]

        def look() -> bool | None:
            newest = list(self.penstock.predictions.latest(asset=self.names.name))
            is_same = bool(newest) and before[0] == newest
            before[0] = newest
            return True if is_same else None

        self.patience.until(look, f"the newest prediction of {self.names.name} stays the same")

    def clean_up(self) -> str:
        """Remove what was made, newest first; every removal is tried."""
        failed: PenstockClientError | None = None
        count = len(self.made)
        for collection in reversed(self.made):
            try:
                _delete(collection, self.names.name)
            except PenstockClientError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return f"{count} removed" if count else "nothing was made"

    def _all_names(self) -> Iterator[tuple[Named, list[str]]]:
        # Bindings before assets before types: what refers goes first.
        penstock = self.penstock
        yield penstock.bindings, _names(penstock.bindings.list(), "name")
        # Removing an asset that is gone takes it out of the newest predictions too.
        of_newest = _names(penstock.predictions.latest(), "asset")
        assets = {*_names(penstock.assets.list(site=SITE), "name"), *of_newest}
        yield penstock.assets, sorted(assets)
        yield penstock.asset_types, _names(penstock.asset_types.list(), "name")
        # So with a gateway that is gone, and the tags that were discovered from it.
        tags = penstock.session.items("/v1/tags", discovered="true")
        gateways = {*_names(penstock.gateways.list(), "gateway_id"), *_names(tags, "gateway_id")}
        yield penstock.gateways, sorted(gateways)

    def _send(self, body: dict[str, Any]) -> dict[str, Any]:
        with GatewaySender(
            self.url, self._key, patience_seconds=self.patience.seconds, wait=self.patience.wait,
            transport=self.transport,
        ) as sender:  # fmt: skip
            answer = sender.send(Payload(body, ()))
        if answer["rejected_count"] or answer["accepted"] != len(body["readings"]):
            raise Unexpected(f"not all readings were accepted: {answer}")
        return answer

    def _session(self, token: str) -> Session:
        return Session(self.url, token, timeout_seconds=10.0, transport=self.transport)


def _names(items: Iterator[dict[str, Any]], field_name: str) -> list[str]:
    return [str(item[field_name]) for item in items]


def _delete(collection: Named, name: str) -> None:
    try:
        collection.delete(name)
    except ApiError as error:
        if error.status != 404:  # somebody else cleaned up first, or it was never made
            raise


_CONSOLE = "Look at the log of `console`, and at its `/readyz`: it names what does not answer."
_STRANGERS = "Stop the deployment's door until this is found: it lets in whoever knocks."
_AURORA = "Look at `/readyz` of `console`: does Aurora answer, and were the migrations run?"
_INGEST = (
    "Look at the log of `ingest-api`, and at its `/readyz`: may its role read table gateways and"
    " publish to topic readings?"
)
_ARCHIVE = (
    "Look at the log of `results-writer` and at queue archive: is it drained, and may the role"
    " write bucket archive and table discovered-tags?"
)
_MODEL = "`penstock models list` shows which models have a champion; train or promote one first."
_PREDICTED = (
    "Look at the logs of `inference-worker` (is the context read, is the endpoint asked?) and of"
    " `results-writer` (sink latest), at `penstock dead-letters list`, and at the endpoint."
)
_HISTORY = "Look at the log of `results-writer`, sink aurora, and at queue aurora."
_CLEAN = (
    "Something of this smoke test is still there; the next one removes what is older than a"
    " quarter of an hour."
)
