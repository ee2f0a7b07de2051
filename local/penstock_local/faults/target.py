"""What a proxy stands in front of."""

from dataclasses import dataclass
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Target:
    scheme: Literal["http", "tcp", "unix"]
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `[http://|tcp://]host:port` or `unix:///path`; raises ValueError for the rest."""
        scheme, rest = text.split("://", 1) if "://" in text else ("http", text)
        if scheme == "unix" and rest.startswith("/"):
            return cls("unix", path=rest)
        host, _, port = rest.rstrip("/").rpartition(":")
        if scheme in ("http", "tcp") and host and port.isdigit():
            return cls("tcp" if scheme == "tcp" else "http", host, int(port))
        raise ValueError(f"target {text!r} is not [http://|tcp://]host:port or unix:///path")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path or f'{self.host}:{self.port}'}"
