pytest_plugins = ["tests.fixtures.data"]
