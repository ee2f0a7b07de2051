pytest_plugins = ["tests.fixtures.data", "tests.fixtures.postgres", "tests.fixtures.stack"]
