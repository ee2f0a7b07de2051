from pathlib import Path

import pytest
from penstock_infra.extras_config import Alarms, Analytics, Delivery, Devices, Extras

README = (Path(__file__).parents[3] / "infra" / "README.md").read_text()


@pytest.mark.parametrize("part", [Extras, Devices, Delivery, Analytics, Alarms])
def test_every_switch_and_setting_of_the_extras_is_told(part: type) -> None:
    missing = [name for name in part.model_fields if f"`{name}`" not in README]  # type: ignore[attr-defined]
    assert not missing
