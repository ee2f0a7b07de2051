"""Read request bodies up to a limit."""

from starlette.requests import ClientDisconnect, Request

from penstock_local.sagemaker.wire import ServiceError


async def read_body(request: Request, limit: int, *, code: str) -> bytes:
    """Return the body, or refuse it as soon as it is known to be too large."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit, code)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise _too_large(limit, code)
            parts.append(part)
    except ClientDisconnect as error:  # nobody will read this answer
        raise ServiceError(code, "The client left before its body was complete.") from error
    return b"".join(parts)


def _too_large(limit: int, code: str) -> ServiceError:
    return ServiceError(code, f"The request body has more than {limit} bytes.", status=413)
