"""The public data sets, pulled in pages as any REST API gives them."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from penstock_local.plant.history import PlantHistory
from penstock_local.plant.layout import Plant
from penstock_local.plant.server import ServerSettings, create_app


def ask(folder: Path) -> httpx.AsyncClient:
    app = create_app(PlantHistory(Plant(), lambda: 0), ServerSettings(csv_folder=folder))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://plant")


@pytest.mark.data
async def test_ai4i_comes_whole_in_pages(data_dir: Path) -> None:
    tags = "/AI4I2020/Torque [Nm],/AI4I2020/Machine failure"
    found: list[dict[str, Any]] = []
    async with ask(data_dir) as client:
        for page in range(1, 5):
            params = {"tags": tags, "page_size": "5000", "page": str(page)}
            answer = (await client.get("/csv/ai4i2020/ai4i2020.csv", params=params)).json()
            assert (answer["total"], answer["pages"]) == (20_000, 4)
            found += answer["records"]
    failures = [r["value"] for r in found if r["tag"] == "/AI4I2020/Machine failure"]
    assert (len(failures), sum(failures)) == (10_000, 339)


@pytest.mark.data
async def test_a_day_of_nab_comes_by_its_own_times(data_dir: Path) -> None:
    day = {"from": "2013-12-03", "to": "2013-12-04"}
    async with ask(data_dir) as client:
        answer = await client.get("/csv/nab/machine_temperature_system_failure.csv", params=day)
    assert answer.json()["total"] == 288
