from tests.infra.synthesis import Synthesized


def test_dev_and_prod_are_two_stacks_each(dev: Synthesized, prod: Synthesized) -> None:
    assert set(dev.documents) == {"penstock-dev-data", "penstock-dev-services"}
    assert set(prod.documents) == {"penstock-prod-data", "penstock-prod-services"}
