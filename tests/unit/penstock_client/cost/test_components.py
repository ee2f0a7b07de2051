"""What each component uses, reckoned by hand for a thousand readings a second."""

from dataclasses import replace

import pytest
from penstock_client.cost import doors, messages, models, stores, surroundings

from tests.unit.penstock_client.cost.deployments import (
    MONTH,
    NOTHING_MEASURED,
    SHAPE,
    deployment,
    quantities,
)


def test_the_load_balancer_bills_its_busiest_dimension() -> None:
    used = quantities(list(doors.load_balancer(deployment())))
    # 10 connections a second of 25: 0.4 units; 3600 × 10 × 10,700 B are 0.39 GB an hour.
    assert used["capacity units"] == pytest.approx(0.4 * 730)
    heavy = quantities(list(doors.load_balancer(deployment(readings_per_body=1_000))))
    assert heavy["capacity units"] == pytest.approx(3600 * 1 * 98_000 / 1e9 * 730)
    many = quantities(list(doors.load_balancer(deployment(gateways=30_000))))
    assert many["capacity units"] == pytest.approx(10 * 730)


def test_the_firewall_bills_requests() -> None:
    used = quantities(list(doors.firewall(deployment())))
    assert used == {"web ACL": 1.0, "rules": 4.0, "requests": 10 * MONTH}


def test_tasks_bill_cpu_and_memory_by_the_hour() -> None:
    used = [u for u in doors.tasks(deployment()) if u.what.startswith("ingest-api")]
    assert [(u.price, u.quantity) for u in used] == [
        ("fargate-arm64-vcpu-hour", 730.0),
        ("fargate-arm64-gib-hour", 1_460.0),
    ]


def test_iot_core_bills_messages_of_5_kib_and_minutes() -> None:
    # Half of ten bodies a second; 9,700 B are two units of 5 KiB.
    used = quantities(list(doors.iot_core(deployment(mqtt_gateways=5))))
    assert used["messages"] == pytest.approx(5 * MONTH * 2)
    assert used["rule and its action"] == pytest.approx(2 * 5 * MONTH * 2)
    assert used["connections"] == pytest.approx(5 * 730 * 60)
    assert not list(doors.iot_core(deployment()))


def test_every_pack_is_published_once_and_deleted_by_each_subscriber() -> None:
    published = quantities(list(messages.topics(deployment())))
    assert published["publishes to readings"] == pytest.approx(5 * MONTH)
    settled = quantities(list(messages.queues(deployment())))
    assert settled["deletes of readings"] == pytest.approx(2 * 5 * MONTH)
    assert settled["deletes of predictions"] == pytest.approx(5 * MONTH)
    # Two pollers, each 1 / (1/5 + 0.02) calls a second.
    assert settled["receives of readings"] == pytest.approx(2 / 0.22 * MONTH)


def test_idle_consumers_poll() -> None:
    used = quantities(list(messages.polls(deployment(readings_per_second=0.0))))
    # Three queues, a poll each 10 s; six dead-letter queues, a poll each 20 s.
    assert used["polls that find nothing"] == pytest.approx(0.3 * MONTH)
    assert used["polls of dead-letter queues"] == pytest.approx(0.3 * MONTH)


def test_endpoints_run_by_the_hour_and_bill_what_passes() -> None:
    used = list(models.endpoints(deployment(endpoints={"ml.c5.xlarge": 3})))
    assert (used[0].price, used[0].quantity) == ("sagemaker-ml.c5.xlarge-hour", 3 * 730)
    assert used[1].quantity == pytest.approx(50 * MONTH * (40 + 9 * 20) / 1e9)
    assert next(models.endpoints(deployment(models=2))).quantity == 2 * 730


def test_a_training_is_looked_at_often_at_first_then_every_minute() -> None:
    assert models.polls(0.1) == pytest.approx(24)  # 360 s
    assert models.polls(0.5) == pytest.approx(40 + 20)
    used = quantities(list(models.trainings(deployment())))
    assert used["4 on ml.m5.xlarge"] == pytest.approx(4 * 0.75)
    assert used["steps"] == pytest.approx(4 * (80 + 3 * 60))


def test_frame_state_costs_by_the_reading_and_at_least_by_the_write() -> None:
    used = quantities(list(stores.dynamodb(deployment())))
    assert used["writes of frame state"] == pytest.approx(110 * MONTH)
    assert used["writes of newest predictions"] == pytest.approx(50 * MONTH)
    # Five packs with two rows, five with five.
    assert used["writes of the ledger"] == pytest.approx(35 * MONTH)
    lonely = quantities(list(stores.dynamodb(deployment(tags_per_asset=1))))
    assert lonely["writes of frame state"] == pytest.approx(1_000 * MONTH)


def test_every_worker_asks_once_whether_a_pack_is_archived() -> None:
    used = quantities(list(stores.dynamodb(deployment(gateways=0, models=0))))
    workers = deployment().running("inference-worker")
    assert used["reads of state, ledger, gateways, models"] == pytest.approx(5 * workers * MONTH)


def test_states_that_no_worker_caches_are_read() -> None:
    shape = replace(SHAPE, settings={**SHAPE.settings, "cached_states": 25.0})
    cached = quantities(list(stores.dynamodb(deployment())))
    missed = quantities(list(stores.dynamodb(deployment(shape=shape))))
    # Half of the 50 assets fit one worker: 25 reads a second of up to 4 KiB more.
    name = "reads of state, ledger, gateways, models"
    assert missed[name] - cached[name] == pytest.approx(25 * MONTH)


def test_objects_and_bytes_of_the_archive() -> None:
    used = quantities(list(stores.s3(deployment())))
    # Five packs a second, an age of 9.9 s: one object each 10.1 s.
    assert used["objects of the archive"] == pytest.approx(MONTH / 10.1)
    assert used["archive kept"] == pytest.approx(
        1_000 * stores.ARCHIVED_READING_BYTES * 365 * 86_400 / 1e9
    )
    assert used["datasets kept a month"] == 20.0


def test_aurora_is_paid_for_its_least_capacity_until_rows_want_more() -> None:
    used = quantities(list(stores.aurora(deployment())))
    assert used["2 instances"] == pytest.approx(2 * 730.0)
    assert used["writes"] == pytest.approx(0.2 * 50 * MONTH)
    busy = quantities(list(stores.aurora(deployment(readings_per_second=1e6))))
    # 50,000 rows a second of 16 μs are 0.8 vCPU: 3.2 ACU, at 70 % of it, and the reader's one.
    assert busy["2 instances"] == pytest.approx((3.2 / 0.7 + 1) * 730)


def test_loads_each_half_minute_keep_a_warehouse_awake() -> None:
    assert stores.warehouse_hours(deployment()) == 730.0
    assert stores.warehouse_hours(deployment(snowflake_minutes=60.0)) == pytest.approx(730 / 24)
    assert stores.warehouse_hours(deployment(readings_per_second=0.0)) == 0.0
    # A prediction each 1,000 s: awake for 65 s of each 1,030.
    seldom = deployment(readings_per_second=0.02, readings_per_body=20)
    assert stores.warehouse_hours(seldom) == pytest.approx(730 * 65 / 1_030.1)


def test_interface_endpoints_are_paid_per_zone_and_nat_where_it_is_the_way_out() -> None:
    used = quantities(list(surroundings.network(deployment(zones=2))))
    assert used["interface endpoints"] == 15 * 2 * 730
    assert used["2 NAT"] == 2 * 730
    own = quantities(list(surroundings.network(deployment(egress="proxy"))))
    assert not [what for what in own if "NAT" in what]
    private = quantities(list(surroundings.network(deployment(egress="privatelink", zones=2))))
    assert private["interface endpoints"] == 16 * 2 * 730


def test_alarms_watch_every_queue_and_dead_letter_queue() -> None:
    used = quantities(list(surroundings.watching(deployment())))
    assert used["alarms"] == 3 + 6 + 10
    assert used["metrics"] == 10 * surroundings.SERIES_PER_METRIC
    # Two consumers of five packs a second, and one.
    assert used["logs of tasks"] == pytest.approx(15 * 350 * MONTH / 1e9)
    assert used["logs of the firewall"] == pytest.approx(10 * 1_500 * MONTH / 1e9)


def test_nothing_measured_runs_the_least_tasks() -> None:
    assert deployment(measured=NOTHING_MEASURED).running("ingest-api") == 1
