"""The estimate: what every component uses, priced, and what of it is paid when nothing is sent."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from penstock_client.cost import doors, messages, models, stores, surroundings
from penstock_client.cost.prices import Price, Prices
from penstock_client.cost.shape import Shape
from penstock_client.cost.sizing import Measured, tasks_for
from penstock_client.cost.usage import Usage
from penstock_client.cost.workload import Deployment, Workload

COMPONENTS: tuple[Callable[[Deployment], Iterator[Usage]], ...] = (
    doors.load_balancer, doors.firewall, doors.iot_core, doors.tasks,
    messages.topics, messages.queues, messages.polls,
    models.endpoints, models.trainings,
    stores.dynamodb, stores.s3, stores.aurora, stores.snowflake,
    surroundings.network, surroundings.keys, surroundings.watching,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill."""

    usage: Usage
    price: Price
    usd: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A month's bill, and the deployment that it is of."""

    deployment: Deployment
    lines: Sequence[Line]

    @property
    def usd(self) -> float:
        """Dollars of the month."""
        return sum(line.usd for line in self.lines)

    @property
    def usd_by_component(self) -> dict[str, float]:
        """Dollars by component, in the order of the way of a reading."""
        totals: dict[str, float] = {}
        for line in self.lines:
            component = line.usage.component
            totals[component] = totals.get(component, 0.0) + line.usd
        return totals

    def per_million_readings(self, usd: float) -> float | None:
        """Dollars of the month as dollars per million readings; None where none are sent."""
        readings = self.deployment.load.readings
        return usd / readings * 1e6 if readings else None


def estimate(load: Workload, *, shape: Shape, measured: Measured, prices: Prices) -> Estimate:
    """Work out a month; raise ValueError where the load cannot be or a price is missing."""
    load.check()
    deployment = Deployment(load, shape, tasks_for(load, shape, measured))
    lines = [
        _priced(usage, prices, load)
        for component in COMPONENTS
        for usage in component(deployment)
        if usage.quantity > 0
    ]
    return Estimate(deployment, lines)


def _priced(usage: Usage, prices: Prices, load: Workload) -> Line:
    price = prices.get(usage.price)
    if price is None:
        raise ValueError(f"prices.toml has no {usage.price}: add it with where it comes from")
    usd = price.of(usage.quantity, region_multiplier=load.region_multiplier)
    return Line(usage, price, usd)
