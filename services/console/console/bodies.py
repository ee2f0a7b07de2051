"""Bodies of the admin API that no other service reads."""

from typing import Annotated

from penstock.bodies import Body, Name
from pydantic import Field

Path = Annotated[str, Field(min_length=1, max_length=255, examples=["/SITE01/LINE01/P-101"])]


class AssetTypeBody(Body):
    """`PUT /v1/asset-types/{name}`."""

    name: Name


class AssetBody(Body):
    """`PUT /v1/assets/{name}`: every tag below one of `prefixes` belongs to the asset."""

    name: Name
    site: Name
    asset_type: Name
    prefixes: Annotated[tuple[Path, ...], Field(max_length=50)] = ()


class TagBody(Body):
    """A tag given to an asset by hand; it wins over prefixes."""

    path: Path
    asset: Name
    name: Annotated[str, Field(min_length=1, max_length=255)]
    gateway_id: Name | None = None


class TagsBody(Body):
    """`PUT /v1/tags`."""

    tags: Annotated[tuple[TagBody, ...], Field(min_length=1, max_length=10_000)]
