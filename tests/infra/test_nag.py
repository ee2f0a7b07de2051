"""cdk-nag's AwsSolutions: what it finds is what stands in suppressions.py, no less and no more."""

from collections import Counter

from penstock_infra.suppressions import Suppression, suppressions
from penstock_infra.suppressions_extras import suppressions_of_extras

from tests.infra.everything import TRANSFORM
from tests.infra.synthesis import Synthesized


def all_suppressions(everything: Synthesized) -> list[Suppression]:
    prefix = everything.deployment.name_prefix
    return [*suppressions(prefix), *suppressions_of_extras(prefix, TRANSFORM)]


def test_every_finding_is_meant_and_every_suppression_is_needed(everything: Synthesized) -> None:
    meant = {(one.path, one.rule) for one in all_suppressions(everything)}
    found = everything.findings()
    assert found - meant == set(), "found, and not in suppressions.py"
    assert meant - found == set(), "in suppressions.py, and no longer found"


def test_every_suppression_names_one_resource_and_a_reason(everything: Synthesized) -> None:
    every = all_suppressions(everything)
    assert every
    for one in every:
        assert "*" not in one.path
        assert one.path.startswith(("data/", "services/"))
        assert one.rule.startswith("AwsSolutions-")
        assert len(one.reason.split()) >= 5, one
    (twice,) = Counter((one.path, one.rule) for one in every).most_common(1)
    assert twice[1] == 1, twice[0]
