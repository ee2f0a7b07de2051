"""Take out of an installed environment what no service of ours ever loads.

`python trim_environment.py /venv/lib/python3.11/site-packages [--strip program]`, in the layer
that installed it. What stays is told by KEPT_AWS_SERVICES; what goes, and why, by TRIMS.
"""

import argparse
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import distributions
from pathlib import Path

WORTH_STRIPPING_BYTES = 100_000

KEPT_AWS_SERVICES = frozenset(
    {
        "cloudwatch", "dynamodb", "events", "kms", "logs", "rds", "s3", "sagemaker",
        "sagemaker-runtime", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "stepfunctions",
        "sts",
    }
)  # fmt: skip
"""botocore describes 400 services in 25 MB; a client of any other one can't be made in an image."""


@dataclass(frozen=True, slots=True)
class Trim:
    """Files or folders by a pattern below site-packages, and why nobody misses them."""

    pattern: str
    why: str


TRIMS = (
    Trim("**/tests", "suites of the dependencies: imported by test runners only"),
    Trim("**/*.py[xi]", "sources of compiled modules, types for checkers"),
    Trim("**/*.px[di]", "the same for Cython"),
    Trim("**/*.pyx.tp", "the same as templates"),
    Trim("**/*.a", "static libraries to compile against"),
    Trim("pyarrow/include", "headers to compile against"),
    Trim("pyarrow/src", "sources of the bindings"),
    Trim("numpy/_core/include", "headers to compile against"),
    Trim("pyarrow/*flight*", "a network protocol that nobody here speaks; 33 MB"),
    Trim("pyarrow/_s3fs*", "objects are read by aiobotocore"),
    Trim("pyarrow/libarrow_s3*", "the same; 17 MB"),
    Trim("pyarrow/_azurefs*", "file systems of other clouds"),
    Trim("pyarrow/_gcsfs*", "file systems of other clouds"),
    Trim("pyarrow/_hdfs*", "file systems of other clouds"),
    Trim("pyarrow/_pyarrow_cpp_tests*", "its own tests"),
    # The loader asks for the name with one number; a wheel holds copies where links would do.
    Trim("pyarrow/libarrow_python*.so", "copies of the libraries"),
    Trim("pyarrow/libarrow_python*.so.*.*.*", "copies of the libraries"),
    Trim("zstandard/_cffi*", "the backend for PyPy; 12 MB"),
    Trim("numpy/distutils", "for building packages, which setuptools does now"),
    Trim(
        "scipy/io", "files of other programs; neither scikit-learn's metrics nor xgboost read any"
    ),
    Trim("scipy/signal", "imported by nothing that stays; so are the next"),
    Trim("scipy/cluster", "see above"),
    Trim("scipy/datasets", "see above"),
    Trim("scipy/fftpack", "see above"),
    Trim("scipy/misc", "see above"),
    Trim("scipy/odr", "see above"),
    Trim("joblib/test", "its own tests"),
    Trim("sklearn/datasets", "sample data, and what loads it"),
)


def main() -> None:
    """Trim, and say what it came to."""
    parser = argparse.ArgumentParser(prog="trim_environment", description=__doc__)
    parser.add_argument("site_packages", type=Path)
    parser.add_argument("--strip", default="strip", help="takes symbols out of compiled modules")
    options = parser.parse_args()
    site: Path = options.site_packages
    before = size_of(site)
    for path in [*trimmed(site), *unused_services(site)]:
        remove(path)
    for path in strippable(site):
        strip(path, options.strip)
    print(f"{site}: {before >> 20} MiB, now {size_of(site) >> 20}")  # noqa: T201 - its answer


def trimmed(site: Path) -> Iterator[Path]:
    """Find what TRIMS name."""
    for trim in TRIMS:
        yield from site.glob(trim.pattern)


def unused_services(site: Path) -> Iterator[Path]:
    """Find botocore's descriptions of services that no client is made of."""
    for path in site.glob("botocore/data/*"):
        if path.is_dir() and path.name not in KEPT_AWS_SERVICES:
            yield path


def strippable(site: Path) -> Iterator[Path]:
    """Find compiled modules and libraries that are as their compiler left them.

    A wheel into which libraries were put later has had the headers of its modules rewritten to find
    them, and stripping these can break them. pyarrow builds its libraries itself.
    """
    for distribution in distributions(path=[str(site)]):
        files = [site / str(file) for file in distribution.files or ()]
        has_guests = any(fnmatch(path.name, "lib*.so*") for path in files)
        if has_guests and distribution.name != "pyarrow":
            continue
        for path in files:
            is_compiled = path.suffix == ".so" or fnmatch(path.name, "lib*.so*")
            if is_compiled and path.exists() and path.stat().st_size > WORTH_STRIPPING_BYTES:
                yield path


def strip(path: Path, program: str) -> None:
    """Take the symbols for debuggers out of a file, if that makes it smaller.

    Else it stays as it is: a file that is written again lies a second time in an image.
    """
    stripped = path.with_name(f"{path.name}.stripped")
    subprocess.run([program, "--strip-unneeded", "-o", stripped, path], check=True)  # noqa: S603 - the build's own words
    if stripped.stat().st_size < 0.98 * path.stat().st_size:
        stripped.replace(path)
    else:
        stripped.unlink()


def remove(path: Path) -> None:
    """Remove a file or a folder that may be gone with another one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
