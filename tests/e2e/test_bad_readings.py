"""Bad readings end in an answer and a quarantine entry that say why.

Everything is asked through the public doors, as the people would who have to find out.
"""

import gzip
import io
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
from penstock.resources import ARCHIVE, physical_name
from penstock_local.environment import PREFIX

from tests.e2e.doors import GATEWAY, PUMPS, Doors, days_of_a_moment_ago, now, reading
from tests.e2e.messages import aws_client
from tests.fixtures.waiting import wait_until


def test_each_bad_item_is_refused_alone_and_kept_with_its_reason(doors: Doors) -> None:
    at = now()
    forbidden = {**reading("TEMP", 5, at), "tag": "/SITE99/P-1/TEMP"}
    items = [
        reading("TEMP", 70.5, at),
        reading("TEMP", float("nan"), at),
        reading("TEMP", 1, datetime(1970, 5, 1, tzinfo=UTC)),
        reading("TEMP", 2, at + timedelta(days=365)),
        forbidden,
    ]

    answer = doors.post({"readings": items})

    assert answer.status_code == 200
    told = answer.json()
    expected = ["not_finite", "time_too_old", "time_in_future", "path_not_allowed"]
    assert told["accepted"] == 1
    assert [item["reason"] for item in told["rejected"]] == expected
    assert [item["index"] for item in told["rejected"]] == [1, 2, 3, 4]
    kept = doors.wait_for_quarantine(told["request_id"], count=4)
    assert list(kept) == expected
    assert "/SITE99/P-1/TEMP" in kept["path_not_allowed"]["item"]


def test_a_body_that_is_not_json_is_answered_and_kept(doors: Doors) -> None:
    answer = doors.post(b"<reading tag='TEMP'>71</reading>")

    assert answer.status_code == 400
    assert "not JSON" in answer.json()["detail"]
    kept = doors.wait_for_quarantine(answer.json()["request_id"], count=1)
    assert kept["not_json"]["item"] == "<reading tag='TEMP'>71</reading>"


def test_a_gateway_that_names_only_what_it_may_not_is_forbidden(doors: Doors) -> None:
    answer = doors.post({"readings": [{**reading("TEMP", 5, now()), "tag": "/SITE99/X/TEMP"}]})

    assert answer.status_code == 403
    assert answer.json()["by_reason"] == {"path_not_allowed": 1}
    doors.wait_for_quarantine(answer.json()["request_id"], count=1)


def test_a_huge_body_is_refused_by_its_size(doors: Doors) -> None:
    answer = doors.post(b"[" + b" " * 20_000_000 + b"]")

    assert answer.status_code == 413
    assert "at most" in answer.json()["detail"]


def test_a_gzip_bomb_is_refused_before_it_opens(doors: Doors) -> None:
    bomb = gzip.compress(b"[" + b" " * 200_000_000 + b"]")

    answer = doors.gateway.post("/v1/readings", content=bomb, headers={"content-encoding": "gzip"})

    assert answer.status_code == 413
    assert "opens to at most" in answer.json()["detail"]


def test_a_wrong_key_is_refused_and_seen_at_its_gateway(doors: Doors) -> None:
    wrong = f"psk_{GATEWAY}_{'0' * 64}"

    answer = doors.gateway.post("/v1/readings", json=[], headers={"x-api-key": wrong})

    assert answer.status_code == 401
    wait_until(
        lambda: doors.penstock.gateways.get(GATEWAY)["last_bad_key_at"] is not None,
        "the gateway tells of a wrong key", every_seconds=0.2,
    )  # fmt: skip


def test_an_unknown_tag_is_accepted_archived_and_discovered(doors: Doors) -> None:
    tag = f"/{PUMPS.site_name}/BOILER/STEAM"

    answer = doors.post({"readings": [{**reading("TEMP", 5.5, now()), "tag": tag}]})

    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    wait_until(
        lambda: tag in discovered_tags(doors), f"{tag} is discovered",
        every_seconds=0.3,
    )  # fmt: skip
    assert archived_values(doors, tag) == [5.5]


def discovered_tags(doors: Doors) -> list[str]:
    listed = doors.penstock.session.items("/v1/tags", discovered="true", gateway_id=GATEWAY)
    return [row["tag"] for row in listed]


def archived_values(doors: Doors, tag: str) -> list[float]:
    """Values of a tag in the archive of these days, as an auditor would read them."""
    s3, bucket = aws_client(doors.stack, "s3"), physical_name(PREFIX, ARCHIVE.name)
    listing = s3.get_paginator("list_objects_v2")
    keys = [
        found["Key"]
        for day in days_of_a_moment_ago()
        for page in listing.paginate(Bucket=bucket, Prefix=f"readings/dt={day}/")
        for found in page.get("Contents", [])
    ]
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    rows = [row for body in bodies for row in pq.read_table(io.BytesIO(body)).to_pylist()]
    return [row["value"] for row in rows if row["tag"] == tag]
