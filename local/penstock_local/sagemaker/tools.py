"""What both training and serving need of this machine."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from penstock_local.sagemaker.container import ContainerHost
from penstock_local.sagemaker.images import ImageMap
from penstock_local.sagemaker.logs import Logs
from penstock_local.sagemaker.objects import ObjectStore
from penstock_local.sagemaker.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    settings: Settings
    images: ImageMap
    host: ContainerHost
    objects: ObjectStore
    logs: Logs
    http: aiohttp.ClientSession
    # How many serving processes may be starting at once.
    starts: asyncio.Semaphore
    clock: Callable[[], float]
