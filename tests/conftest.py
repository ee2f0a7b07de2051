pytest_plugins = [
    "tests.fixtures.data",
    "tests.fixtures.postgres",
    "tests.fixtures.stack",
    "tests.fixtures.e2e",
]
