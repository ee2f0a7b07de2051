import pytest
from penstock_local.front_door import service_of


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/v1/readings", "ingest-api"),
        ("/v1/readings/check", "ingest-api"),
        ("/v1/ping", "ingest-api"),
        ("/v1/objects", "ingest-api"),
        ("/v1/jobs", "training-orchestrator"),
        ("/v1/jobs/job-7/events", "training-orchestrator"),
        ("/v1/models/pump-failure/versions/3/promote", "training-orchestrator"),
        ("/v1/endpoints/pump-failure", "training-orchestrator"),
        ("/v1/datasets/ds-1", "training-orchestrator"),
        ("/v1/bindings/pump-failure", "console"),
        ("/v1/gateways", "console"),
        ("/v1/readingsx", "console"),
        ("/v1/problems", "console"),
        ("/", "console"),
    ],
)
def test_each_path_goes_to_the_service_that_owns_it(path: str, service: str) -> None:
    assert service_of(path) == service
