"""A small process beside the server that ends its containers when it dies, even by kill -9.

The kernel's parent-death signal reaches only direct children, and only on Linux. This one waits on
a pipe that closes with the server, however that ends, and then kills what still carries its mark.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from penstock_local.sagemaker.orphans import sweep


@asynccontextmanager
async def reaping(mark: str) -> AsyncIterator[None]:
    """Keep a reaper for this mark; on leaving, let it finish its sweep."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        mark,
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is not meant for it
    )
    try:
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


def main() -> None:
    """Wait for the server to end, then sweep the mark given as the only argument."""
    sys.stdin.buffer.read()
    sweep(sys.argv[1])


if __name__ == "__main__":
    main()
