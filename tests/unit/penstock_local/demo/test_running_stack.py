from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from penstock_client.sdk import Penstock
from penstock_local.demo.plant_scenario import assets_of
from penstock_local.demo.running_stack import MOST_SITES, RunningStack, next_site


@contextmanager
def _console_that_knows(sites: set[int]) -> Iterator[Penstock]:
    known = {f"/v1/assets/{assets_of(site)[0].name}" for site in sites}

    class Console(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = (200, b"{}") if self.path in known else (404, b'{"error": "NotFound"}')
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Console) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            with Penstock(f"http://127.0.0.1:{server.server_port}", "token") as penstock:
                yield penstock
        finally:
            server.shutdown()


@pytest.mark.parametrize(("seen", "next_one"), [(set(), 1), ({1, 2}, 3), ({2}, 1)])
def test_a_stack_is_shown_the_pumps_that_it_has_not_seen(seen: set[int], next_one: int) -> None:
    with _console_that_knows(seen) as penstock:
        assert next_site(penstock) == next_one


def test_a_stack_that_has_seen_all_of_the_plant_says_so() -> None:
    with (
        _console_that_knows(set(range(1, MOST_SITES + 1))) as penstock,
        pytest.raises(ValueError, match="begin a new one"),
    ):
        next_site(penstock)


def test_the_stores_are_where_the_addresses_say() -> None:
    stack = RunningStack(
        front_door="http://front-door:8080",
        history="http://simulator:4700",
        aurora_dsn="postgresql://postgres@postgres:54321/penstock",
        snowflake="http://snowflake:4800",
        aws_endpoint="http://aws:4566",
    )
    assert stack.stores.snowflake["host"] == "snowflake"
    assert stack.stores.snowflake["port"] == 4800
    assert stack.stores.aws_endpoint == "http://aws:4566"
