"""Ending a connection the hard way."""

import asyncio
import socket
import struct


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with RST at once, as a crashed or cut-off peer does."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
