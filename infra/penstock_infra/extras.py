"""Where parts that a deployment may leave out join the stacks, each behind its switch."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock_infra.data_stack import DataStack
    from penstock_infra.services_stack import ServicesStack


def add_to_data(stack: "DataStack") -> None:
    """Add what carries or keeps data, after everything else of the stack is there."""


def add_to_services(stack: "ServicesStack") -> None:
    """Add what watches or shows, after everything else of the stack is there."""
