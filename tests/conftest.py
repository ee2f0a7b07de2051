import os

from hypothesis import HealthCheck, settings

# `make check` looks at a few examples of each property, new ones each time; `make test` at many,
# always the same: what it says of a commit is not drawn by lot. How fast they come is no matter.
AT_LEISURE = [HealthCheck.too_slow]
settings.register_profile("quick", max_examples=15, deadline=None, suppress_health_check=AT_LEISURE)
settings.register_profile("gate", deadline=None, derandomize=True, suppress_health_check=AT_LEISURE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))

pytest_plugins = [
    "tests.fixtures.data",
    "tests.fixtures.postgres",
    "tests.fixtures.stack",
    "tests.fixtures.e2e",
    "tests.fixtures.bad_input",
]
