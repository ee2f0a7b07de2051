"""The key in a request: by Bearer, by X-API-Key, or as user or password of HTTP Basic."""

import binascii
from base64 import b64decode
from collections.abc import Mapping

_PREFIX = "psk_"


def presented_key(headers: Mapping[bytes, bytes]) -> str | None:
    """Find the key in the headers; None where there is none."""
    api_key = headers.get(b"x-api-key")
    if api_key is not None:
        return api_key.decode("latin-1").strip()
    scheme, _, credentials = headers.get(b"authorization", b"").strip().partition(b" ")
    match scheme.lower():
        case b"bearer":
            return credentials.decode("latin-1").strip()
        case b"basic":
            return _of_basic(credentials)
    return None


def _of_basic(credentials: bytes) -> str | None:
    try:
        user, _, password = b64decode(credentials, validate=True).decode("latin-1").partition(":")
    except binascii.Error:
        return None
    return password if password.startswith(_PREFIX) or not user.startswith(_PREFIX) else user
