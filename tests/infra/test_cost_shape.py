"""What `penstock cost` takes for granted of the stacks, held against them."""

from penstock_client.cost.sizing import COLLECTOR_MIB
from penstock_client.cost.surroundings import INTERFACE_ENDPOINTS
from penstock_infra.constructs.collector import SIZE_MIB
from penstock_infra.constructs.endpoints import INTERFACES


def test_the_interface_endpoints_are_those_of_the_stacks() -> None:
    assert set(INTERFACE_ENDPOINTS) == set(INTERFACES)


def test_the_collector_beside_a_command_takes_what_the_stacks_give_it() -> None:
    assert COLLECTOR_MIB == SIZE_MIB
