"""Static tokens with roles, for one machine; OIDC takes their place in AWS."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from penstock.runtime.settings import Role

_RANK: Mapping[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}
_bearer = HTTPBearer(auto_error=False, description="A token with a role")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the role, and a name for the audit that never holds the token."""

    name: str
    role: Role


def install_tokens(app_state: object, tokens: Mapping[str, Role]) -> None:
    """Keep the tokens where `require` finds them; an empty map lets nobody in."""
    app_state.api_tokens = dict(tokens)  # type: ignore[attr-defined]  # starlette's open State


def caller_of(tokens: Mapping[str, Role], presented: str) -> Caller | None:
    """Find the caller of a token; every token is compared, in constant time."""
    found = None
    for position, (token, role) in enumerate(tokens.items()):
        if hmac.compare_digest(token.encode(), presented.encode()):
            found = Caller(name=f"{role}-{position}", role=role)
    return found


def require(role: Role) -> Callable[..., Caller]:
    """Dependency: 401 without a known token, 403 where its role is below `role`."""

    def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Caller:
        presented = credentials.credentials if credentials else ""
        caller = caller_of(request.app.state.api_tokens, presented)
        if caller is None:
            raise HTTPException(
                401, "send `Authorization: Bearer <token>`", {"www-authenticate": "Bearer"}
            )
        if _RANK[caller.role] < _RANK[role]:
            raise HTTPException(403, f"this needs the role {role}; the token has {caller.role}")
        return caller

    return check
