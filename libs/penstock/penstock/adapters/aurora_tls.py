"""Who may say that a server is Aurora: authorities from a file, by whom libpq judges."""

import ssl
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from penstock.domain.errors import InvalidInput

_ADVICE = "infra/README.md tells how RDS's authorities come into an image"


def verified(dsn: str, root_certificate: Path | None) -> str:
    """DSN that leads only to a server whose name one of the file's authorities vouches for.

    Without a file it stays as it is. Raise InvalidInput where the file is not there or holds no
    certificate: libpq would say so too, but with each connection and not at the start.
    """
    if root_certificate is None:
        return dsn
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=root_certificate)
    except OSError as error:  # what is no certificate is an ssl.SSLError, which is one too
        raise InvalidInput(
            f"aurora's authorities cannot be read from {root_certificate}: {error}; {_ADVICE}"
        ) from error
    return make_conninfo(dsn, sslmode="verify-full", sslrootcert=str(root_certificate))


def require_verified(dsn: str) -> None:
    """Raise InvalidInput where the server would be let in unseen: who poses as it gets a token."""
    mode = conninfo_to_dict(dsn).get("sslmode", "prefer")
    if mode != "verify-full":
        raise InvalidInput(
            f"tokens of IAM are sent to a verified server only, and sslmode is {mode}: set "
            f"AURORA__ROOT_CERTIFICATE; {_ADVICE}"
        )
