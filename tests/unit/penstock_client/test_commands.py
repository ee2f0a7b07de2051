"""Commands of people, against a server that a function is."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from penstock_client.cli import app
from penstock_client.sdk import Penstock
from typer.testing import CliRunner

LONG_KEY = f"psk_gateway-of-the-north-hall_{'0123456789abcdef' * 4}"


@pytest.fixture
def gateways() -> Iterator[str]:
    """A server with one gateway."""

    class OneGateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert "authorization" not in self.headers
            item = {"gateway_id": "gw-7", "enabled": True, "paths": ["/S"]}
            body = json.dumps({"items": [item], "next": None}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.send_response(201)
            body = json.dumps({"key": LONG_KEY}).encode()
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), OneGateway) as server:
        serving = threading.Thread(target=server.serve_forever, name="one-gateway")
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


def test_the_audit_of_days_ends_before_it_begins_and_says_so() -> None:
    result = CliRunner().invoke(app, ["audit", "--from", "2026-11-20", "--to", "2026-11-19"])

    assert result.exit_code == 1
    assert "2026-11-20 is after --to 2026-11-19" in result.output


@pytest.mark.parametrize(
    ("ask", "method", "path"),
    [
        (lambda penstock: penstock.bindings.pause("pumps"), "POST", "/v1/bindings/pumps/pause"),
        (
            lambda penstock: penstock.models.promote("pump-failure", "v3"),
            "POST", "/v1/models/pump-failure/versions/v3/promote",
        ),
    ],
)  # fmt: skip
def test_an_order_goes_to_its_route(ask: object, method: str, path: str) -> None:
    asked: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path))
        return httpx.Response(200, json={})

    with Penstock(transport=httpx.MockTransport(answer)) as penstock:
        assert callable(ask)
        ask(penstock)

    assert asked == [(method, path)]


def test_a_day_of_the_audit_is_walked_page_by_page() -> None:
    pages = {
        None: {"items": [{"subject": "gw-1"}], "next": "more"},
        "more": {"items": [{"subject": "gw-2"}], "next": None},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["day"] == "2026-11-20"
        return httpx.Response(200, content=json.dumps(pages[request.url.params.get("cursor")]))

    with Penstock(transport=httpx.MockTransport(answer)) as penstock:
        found = list(penstock.audit.of_day(date(2026, 11, 20)))

    assert [change["subject"] for change in found] == ["gw-1", "gw-2"]


def test_a_list_as_json_is_whole_and_no_token_is_no_header(gateways: str) -> None:
    shown = CliRunner().invoke(app, ["gateways", "list", "--json", "--url", gateways])

    assert json.loads(shown.output) == [{"gateway_id": "gw-7", "enabled": True, "paths": ["/S"]}]


def test_a_key_is_printed_on_one_line_whatever_the_terminals_width(gateways: str) -> None:
    shown = CliRunner().invoke(app, ["gateways", "add-key", "gw-7", "--url", gateways])

    assert shown.output == f"{LONG_KEY}\n"
