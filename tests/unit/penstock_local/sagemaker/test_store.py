from dataclasses import replace
from pathlib import Path

import pytest
from penstock_local.sagemaker.lifecycle import begin, new_job
from penstock_local.sagemaker.records import Endpoint, EndpointStatus, TrainingJob
from penstock_local.sagemaker.store import StateInUseError, Store

from tests.unit.penstock_local.sagemaker.test_deployments import a_deployment


def a_job(name: str) -> TrainingJob:
    request = {"HyperParameters": {"num_round": "10"}, "Tags": []}
    return begin(
        new_job(name=name, arn="arn", request=request, tags={"plant": "north"}, at=1.25), at=2.5
    )


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    job = a_job("pump-failure-1")
    endpoint = Endpoint(
        name="pump",
        arn="arn",
        config_name="config",
        status=EndpointStatus.UPDATING,
        created_at=1.0,
        modified_at=2.0,
        current=a_deployment({"VariantName": "a"}),
        pending=a_deployment({"VariantName": "b", "ServerlessConfig": {"MaxConcurrency": 5}}),
    )
    store = Store(tmp_path)
    store.tables.jobs.put(job)
    store.tables.endpoints.put(endpoint)
    store.close()

    again = Store(tmp_path)

    assert again.tables.jobs.all() == [job]
    assert again.tables.endpoints.get("pump") == endpoint
    assert again.tables.models.all() == []
    again.close()


def test_last_write_wins_and_deleted_stays_deleted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.tables.jobs.put(a_job("one"))
    store.tables.jobs.put(replace(a_job("one"), tags={}))
    store.tables.jobs.put(a_job("two"))
    store.tables.jobs.delete("two")
    store.close()

    again = Store(tmp_path)

    assert [(job.name, job.tags) for job in again.tables.jobs.all()] == [("one", {})]
    again.close()


def test_state_has_one_owner_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StateInUseError, match=str(tmp_path)):
        Store(tmp_path)
    store.close()

    Store(tmp_path).close()
