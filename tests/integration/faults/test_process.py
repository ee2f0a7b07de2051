"""The proxy as a process, driven through its control port."""

import json
import signal
import subprocess
import sys

import httpx

from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.integration.faults.target import echoing


async def test_faults_are_set_over_http_and_sigterm_ends_it() -> None:
    async with echoing() as echo:
        command = [sys.executable, "-m", "penstock_local.faults", "--target", echo.url]
        command += ["--listen", "127.0.0.1:0", "--fault", '{"kind": "error", "count": 1}']
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220, S603  # our own program
        assert process.stdout is not None
        try:
            started = json.loads(process.stdout.readline())
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.get(started["url"])).status_code == 500
                assert (await client.get(started["url"])).status_code == 200
                control = started["control"] + "/faults"
                answer = await client.put(control, json=[{"kind": "throttle", "count": 2}])
                assert answer.json()["faults"] == [{"kind": "throttle", "count": 2}]
                assert (await client.get(started["url"])).status_code == 429
                state = (await client.get(control)).json()
                assert state["faults"] == [{"kind": "throttle", "count": 1}]
                assert state["hits"] == {"error": 1, "throttle": 1}
                added = await client.post(control, json={"kind": "delay", "seconds": 0.1})
                assert len(added.json()["faults"]) == 2
                wrong = await client.put(control, json=[{"kind": "explode"}])
                assert wrong.status_code == 422
                assert (await client.delete(control)).json()["faults"] == []
                assert (await client.get(started["url"])).status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(PATIENCE_SECONDS)
            process.stdout.close()
        assert code == 0
