import os

from hypothesis import settings

# `make check` looks at a few examples of each property, `make test` at many.
settings.register_profile("quick", max_examples=15, deadline=None)
settings.register_profile("gate", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))

pytest_plugins = [
    "tests.fixtures.data",
    "tests.fixtures.postgres",
    "tests.fixtures.stack",
    "tests.fixtures.e2e",
    "tests.fixtures.bad_input",
]
