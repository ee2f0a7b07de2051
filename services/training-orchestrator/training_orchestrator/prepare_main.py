"""The process that makes one dataset: `python -m training_orchestrator.prepare_main FOLDER`.

It is apart so that its memory is given back, and so that what kills it kills no other work.
"""

import os
import shutil
import sys
import threading
import traceback
from pathlib import Path

import duckdb
from penstock.domain.errors import InvalidInput

from training_orchestrator.prepare_dataset import prepare_dataset
from training_orchestrator.prepare_order import (
    PreparationDied,
    PrepareResult,
    read_order,
    write_result,
)


def main(folder: Path) -> None:
    """Do the order of a folder, and leave a result in any case that can be told."""
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    order = read_order(folder)
    try:
        prepare_dataset(order, folder)
    except InvalidInput as error:
        result = PrepareResult(error=type(error).__name__, cause=str(error))
    except (MemoryError, duckdb.OutOfMemoryException) as error:
        told = f"the dataset does not fit into {order.memory_mb} MB ({error})"
        result = PrepareResult(error=PreparationDied.__name__, cause=told)
    else:
        result = PrepareResult()
    write_result(folder, result)


def _end_with_parent(folder: Path) -> None:
    # The preparer holds the other end of this pipe: it closes when that process is gone, and then
    # nobody else removes the folder. Read past sys.stdin: a thread that holds its lock when the
    # interpreter ends makes that end an abort.
    while os.read(0, 1):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def run(folder: Path) -> int:
    """Return the exit code; a bug is told on stderr, of which the preparer reads the end."""
    try:
        main(folder)
    except Exception:  # noqa: BLE001 -- the process's main
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = run(Path(sys.argv[1]))
    sys.stderr.flush()
    # All is written: unloading would only take time, and bury the traceback under its complaints.
    os._exit(code)
