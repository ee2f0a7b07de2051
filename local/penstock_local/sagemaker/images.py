"""Which program stands for which container image.

Images come from an allow-list, never from the request: AWS's own algorithms by the name of their
repository, the project's own images by a registry file.

    images:
      plant-model:1.2:          # the part after the registry host; the tag may be left out
        train: ["{python}", -m, plant_model, train]
        serve: ["{python}", -m, plant_model, serve]
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Program:
    """The command lines of one image; either is None when the image cannot do it."""

    train: tuple[str, ...] | None
    serve: tuple[str, ...] | None


class ImagesFileError(Exception):
    """The registry file does not say what it should."""


# Account and region are ignored: the part after the registry host names the algorithm.
_ALGORITHMS = (
    (re.compile(r"(^|/)(sagemaker-xgboost|xgboost):"), "xgboost"),
    (re.compile(r"(^|/)randomcutforest:"), "randomcutforest"),
    (re.compile(r"(^|/)forecasting-deepar:"), "forecasting-deepar"),
)


@dataclass(frozen=True, slots=True)
class ImageMap:
    registered: Mapping[str, Program] = field(default_factory=dict)

    def find(self, image: str) -> Program | None:
        """Return the image's program; the registry file comes before AWS's algorithms."""
        path = _without_host(image)
        for name in (image, path, _without_tag(path)):
            if name in self.registered:
                return self.registered[name]
        for pattern, algorithm in _ALGORITHMS:
            if pattern.search(path):
                return _algorithm_program(algorithm)
        return None


def read_images(path: Path) -> ImageMap:
    """Read the registry file (YAML or JSON); `{python}` stands for this interpreter."""
    try:
        document = yaml.safe_load(path.read_text())
        entries = document["images"]
        programs = {str(name): _read_program(entry) for name, entry in entries.items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ImagesFileError(f"{path}: {error!r}; see the top of images.py") from error
    return ImageMap(programs)


def _read_program(entry: Mapping[str, Any]) -> Program:
    return Program(train=_read_argv(entry.get("train")), serve=_read_argv(entry.get("serve")))


def _read_argv(words: object) -> tuple[str, ...] | None:
    if words is None:
        return None
    if not isinstance(words, list) or not words:
        raise TypeError("train and serve are lists of words")
    return tuple(str(word).replace("{python}", sys.executable) for word in words)


def _algorithm_program(algorithm: str) -> Program:
    command = (sys.executable, "-m", "penstock_algorithms", algorithm)
    return Program(train=(*command, "train"), serve=(*command, "serve"))


def _without_host(image: str) -> str:
    host, slash, rest = image.partition("/")
    is_host = slash and ("." in host or ":" in host or host == "localhost")
    return rest if is_host else image


def _without_tag(path: str) -> str:
    head, slash, name = path.rpartition("/")
    return f"{head}{slash}{re.split('[:@]', name, maxsplit=1)[0]}"
