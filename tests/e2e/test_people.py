"""What people make they can look up, change and take away; what is given up they find again."""

from pathlib import Path

import httpx
import pytest
from penstock.channel import Queue
from penstock.resources import QUEUES, TOPICS
from penstock_client.errors import ApiError
from penstock_local.demo.history import serving_history
from penstock_local.demo.plant_scenario import readings_api
from penstock_local.demo.scenario import Json

from tests.e2e.doomed_jobs import Jobs, job_on, short_job
from tests.e2e.doors import GATEWAY, PUMPS, SITE, Doors, now, reading
from tests.e2e.messages import Queues, aws_client
from tests.e2e.training import wait_for_end
from tests.fixtures.waiting import wait_until

TOKEN = "plant-token-7"


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_message_that_nobody_can_read_is_given_up_with_its_reason(
    doors: Doors, queue: Queue
) -> None:
    body = f"not of this world, for {queue.name}"

    Queues(aws_client(doors.stack, "sqs")).send(queue.name, [body])

    letter = wait_for_letter(doors, queue.dead_letter_name, body)
    assert "MalformedPayload" in letter["reason"]


def test_what_sqs_and_sns_gave_up_is_kept_from_every_queue(doors: Doors) -> None:
    queues = Queues(aws_client(doors.stack, "sqs"))
    names = [queue.dead_letter_name for queue in QUEUES]
    names += [t.subscription_dead_letter_name(queue) for t in TOPICS for queue in t.subscribers]
    for name in names:
        queues.send(name, [f"received too often, in {name}"])

    for name in names:
        letter = wait_for_letter(doors, name, f"received too often, in {name}")
        assert letter["reason"] == "received too often without success"


def wait_for_letter(doors: Doors, queue: str, body: str) -> Json:
    """Wait until a dead letter with that body is listed under its queue, and read it whole."""
    found: list[Json] = []

    def is_kept() -> bool:
        listed = [one["id"] for one in doors.penstock.dead_letters.list(queue=queue)]
        letters = [doors.penstock.dead_letters.get(letter_id) for letter_id in listed]
        found[:] = [letter for letter in letters if letter["body"] == body]
        return bool(found)

    wait_until(is_kept, f"{queue} gave up {body!r}", seconds=60, every_seconds=0.3)
    return found[0]


def test_a_second_version_takes_over_the_endpoint_and_the_first_can_have_it_back(
    doors: Doors, jobs: Jobs
) -> None:
    dataset = wait_for_end(doors.penstock, jobs.right)["dataset_id"]
    name = f"{PUMPS.name}-twice"
    for _ in range(2):
        job = doors.penstock.jobs.start(job_on(dataset, name))
        ended = wait_for_end(doors.penstock, job["job_id"])
        assert ended["status"] == "COMPLETED", ended["reason"]

    model = doors.penstock.models.get(name)
    assert model["versions"] == ["v1", "v2"]
    assert model in list(doors.penstock.models.list())
    doors.penstock.session.post(f"/v1/models/{name}/versions/v1/promote")

    def serves_again() -> bool:
        endpoint = doors.penstock.endpoints.get(name)
        served = {variant["name"] for variant in endpoint["variants"]}
        champion = doors.penstock.session.get(f"/v1/models/{name}/versions/champion")["version"]
        return endpoint["status"] == "InService" and (served, champion) == ({"v1"}, "v1")

    wait_until(serves_again, "v1 serves again", seconds=180, every_seconds=0.5)


def test_a_source_that_asks_for_a_token_is_read_with_that_of_its_secret(
    doors: Doors, tmp_path: Path
) -> None:
    secret = "penstock/sources/guarded"
    secrets = aws_client(doors.stack, "secretsmanager")
    secrets.create_secret(Name=secret, SecretString=TOKEN)
    options = [*PUMPS.history_options, "--token", TOKEN]
    with serving_history(options, tmp_path / "guarded.log") as url:
        assert httpx.get(f"{url}/api/readings").status_code == 401
        source = {
            "plugin": "paged_json",
            "base_url": url,
            "auth": {"type": "bearer", "secret": secret},
            "options": readings_api(),
        }
        assert doors.penstock.sources.put("guarded", source)["auth"]["secret"] == secret
        job = doors.penstock.jobs.start(short_job("guarded"))
        ended = wait_for_end(doors.penstock, job["job_id"])
    assert ended["status"] == "COMPLETED", ended["reason"]


def test_a_gateway_and_its_keys_come_and_go(doors: Doors) -> None:
    gateways = doors.penstock.gateways
    gateways.put("gw-on-loan", {"paths": ["/SITE07"]})
    key = gateways.add_key("gw-on-loan")
    gateways.put("gw-on-loan", {"paths": ["/SITE07", "/SITE08"]})
    assert gateways.get("gw-on-loan") in list(gateways.list())
    tag = {"tag": "/SITE08/LOANED/TEMP", "value": 20.5, "at": now().isoformat()}
    headers = {"x-api-key": key["key"]}
    sent = doors.gateway.post("/v1/readings", json={"readings": [tag]}, headers=headers)
    assert sent.json()["accepted"] == 1
    wait_until(
        lambda: discovered(doors, "gw-on-loan") == [tag["tag"]], "its tag is discovered",
        seconds=60, every_seconds=0.3,
    )  # fmt: skip

    gateways.revoke_key("gw-on-loan", key["key_id"])
    assert gateways.get("gw-on-loan")["keys"] == []
    gateways.delete("gw-on-loan")

    with pytest.raises(ApiError) as refused:
        gateways.get("gw-on-loan")
    assert refused.value.status == 404
    assert discovered(doors, "gw-on-loan") == []


def discovered(doors: Doors, gateway_id: str) -> list[str]:
    rows = doors.penstock.session.items("/v1/tags", discovered="true", gateway_id=gateway_id)
    return [row["tag"] for row in rows]


def test_the_same_request_is_answered_the_same_for_a_day(doors: Doors) -> None:
    body = {"readings": [reading("TEMP", 61.5, now())]}
    headers = {"idempotency-key": "scan-4711"}
    first, second = (
        doors.gateway.post("/v1/readings", json=body, headers=headers) for _ in range(2)
    )
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()


def test_a_binding_rests_wakes_and_goes_with_its_asset(doors: Doors, model: str) -> None:
    name, asset = f"{PUMPS.name}-on-loan", "P-on-loan"
    prefix = f"/{PUMPS.site_name}/{asset}"
    doors.penstock.assets.put(asset, {"site": SITE, "asset_type": "on-loan", "prefixes": [prefix]})
    binding = {"applies_to": {"asset": asset}, "model": {"name": model}}
    doors.penstock.bindings.put(name, binding)

    def is_newest() -> bool:
        # Until the worker knows the new binding, its readings are nobody's.
        doors.send_scan(prefix)
        return any(True for _ in doors.penstock.predictions.latest(asset=asset))

    wait_until(is_newest, f"{name} predicts {asset}", seconds=60, every_seconds=0.5)
    assert doors.penstock.bindings.pause(name)["state"] == "paused"
    assert doors.penstock.bindings.resume(name)["state"] == "active"

    doors.penstock.bindings.delete(name)
    doors.penstock.assets.delete(asset)

    assert name not in {one["name"] for one in doors.penstock.bindings.list()}
    assert asset not in {one["name"] for one in doors.penstock.assets.list(site=SITE)}
    doors.penstock.asset_types.delete("on-loan")


def test_what_there_is_can_be_listed_whole_and_in_part(
    doors: Doors, jobs: Jobs, model: str
) -> None:
    penstock = doors.penstock
    asset = next(iter(PUMPS.prefixes))

    def is_among_all() -> bool:
        # A newer one may come between the two; of one asset there is one in any case.
        (newest,) = penstock.predictions.latest(asset=asset, binding=model)
        return newest in list(penstock.predictions.latest(binding=model))

    wait_until(is_among_all, f"the newest of {asset} is listed among all", every_seconds=0.5)
    assert {"healthy", "locked"} <= {source["name"] for source in penstock.sources.list()}
    assert penstock.sources.get("healthy")["plugin"] == "paged_json"
    whole = list(penstock.session.items("/v1/tags", discovered="true"))
    of_one = penstock.session.items("/v1/tags", discovered="true", gateway_id=GATEWAY)
    # More may have been seen between the two.
    assert {row["tag"] for row in whole if row["gateway_id"] == GATEWAY} <= {
        row["tag"] for row in of_one
    }
    ended = wait_for_end(penstock, jobs.right)
    assert ended["job_id"] in {job["job_id"] for job in penstock.jobs.list(model=PUMPS.name)}
    assert penstock.datasets.get(ended["dataset_id"])["dataset_id"] == ended["dataset_id"]
    assert "event: end" in penstock.session.text(f"/v1/jobs/{jobs.right}/events")
    assert "[149]" in penstock.jobs.logs(jobs.right)
