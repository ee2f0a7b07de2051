"""Both deployments become templates that CloudFormation takes, in any region."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.infra.synthesis import Synthesized, make_deployment, synthesize

MOST_RESOURCES = 500
MOST_BYTES = 1_000_000
REGIONS = ("eu-central-1", "us-east-1", "ap-southeast-2")
_REGION = re.compile(r"\b(?:af|ap|ca|eu|il|me|mx|sa|us)-(?:[a-z]+-)+\d\b")

_BILLING = "us-east-1"
"""AWS keeps the metrics of its own bill there, whatever region a deployment is in."""


def _regions_in(document: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for resource in document["Resources"].values():
        named = set(_REGION.findall(json.dumps(resource)))
        is_dashboard = resource["Type"] == "AWS::CloudWatch::Dashboard"
        found |= named - {_BILLING} if is_dashboard else named
    return found


def test_templates_fit_the_limits_of_cloudformation(dev: Synthesized, prod: Synthesized) -> None:
    for synthesized in (dev, prod):
        for stack, document in synthesized.documents.items():
            assert 50 < len(document["Resources"]) < MOST_RESOURCES
            assert synthesized.template(stack).stat().st_size < MOST_BYTES


def test_one_template_fits_every_region(prod: Synthesized) -> None:
    """Without an account or region named, none may stand in the text: only where users gave one."""
    certificate = str(prod.deployment.certificate_arn)
    for document in prod.documents.values():
        given = json.loads(json.dumps(document).replace(certificate, ""))
        assert _regions_in(given) == set()


@pytest.mark.parametrize("region", REGIONS)
def test_a_named_region_is_the_only_one_in_its_template(region: str, tmp_path: Path) -> None:
    certificate = f"arn:aws:acm:{region}:111122223333:certificate/0f1e2d3c"
    deployment = make_deployment("dev", certificate_arn=certificate)
    made = synthesize(deployment, tmp_path, region=region)
    found = {one for document in made.documents.values() for one in _regions_in(document)}
    assert found == {region}


def test_nothing_of_prod_is_lost_with_its_stack(prod: Synthesized) -> None:
    keeps = {
        "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret",
        "AWS::RDS::DBCluster", "AWS::Cognito::UserPool", "AWS::ECR::Repository",
    }  # fmt: skip
    for kind in keeps:
        found = prod.resources(kind)
        assert found
        for logical_id, resource in found.items():
            assert resource["DeletionPolicy"] in {"Retain", "Snapshot"}, logical_id


def test_nothing_of_dev_outlives_its_stack(dev: Synthesized) -> None:
    for kind in ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::RDS::DBCluster"):
        for logical_id, resource in dev.resources(kind).items():
            assert resource["DeletionPolicy"] == "Delete", logical_id
