"""Who asks: static tokens with roles on one machine, tokens of an OIDC issuer in AWS, or both."""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from penstock.runtime.settings import Role

RANK: Mapping[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}
_bearer = HTTPBearer(auto_error=False, description="A token with a role")
_NOT_IN_A_CHALLENGE = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")  # RFC 6750, section 3


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the role, and a name for the audit that never holds the token."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token does not do: 401 where it proves nobody, 403 where its owner has no role."""

    detail: str
    status: Literal[401, 403] = 401


class TokenJudge(Protocol):
    """Knows callers by tokens that others have made."""

    async def judge(self, token: str) -> Caller | Refusal:
        """Tell whose token it is; raise Unavailable where that cannot be told now."""
        ...


def install_tokens(
    app_state: object, tokens: Mapping[str, Role], judge: TokenJudge | None = None
) -> None:
    """Keep the tokens where `require` finds them; an empty map and no judge let nobody in."""
    app_state.api_tokens = dict(tokens)  # type: ignore[attr-defined]  # starlette's open State
    app_state.token_judge = judge  # type: ignore[attr-defined]  # starlette's open State


def caller_of(tokens: Mapping[str, Role], presented: str) -> Caller | None:
    """Find the caller of a static token; every token is compared, in constant time."""
    found = None
    for position, (token, role) in enumerate(tokens.items()):
        if hmac.compare_digest(token.encode(), presented.encode()):
            found = Caller(name=f"{role}-{position}", role=role)
    return found


def require(role: Role) -> Callable[..., Awaitable[Caller]]:
    """Dependency: 401 without a token that proves a caller, 403 where the role is below `role`."""

    async def check(
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Caller:
        presented = credentials.credentials if credentials else ""
        state = request.app.state
        caller: Caller | Refusal | None = caller_of(state.api_tokens, presented)
        if caller is None and presented and state.token_judge is not None:
            caller = await state.token_judge.judge(presented)
        if isinstance(caller, Refusal):
            raise _refused(caller)
        if caller is None:
            raise HTTPException(
                401, "send `Authorization: Bearer <token>`", {"www-authenticate": "Bearer"}
            )
        if RANK[caller.role] < RANK[role]:
            raise HTTPException(403, f"this needs the role {role}; the token has {caller.role}")
        return caller

    return check


Viewer = Annotated[Caller, Depends(require("viewer"))]
Operator = Annotated[Caller, Depends(require("operator"))]
Admin = Annotated[Caller, Depends(require("admin"))]


def _refused(refusal: Refusal) -> HTTPException:
    error = {401: "invalid_token", 403: "insufficient_scope"}[refusal.status]
    said = _NOT_IN_A_CHALLENGE.sub("?", refusal.detail)
    challenge = f'Bearer error="{error}", error_description="{said}"'
    return HTTPException(refusal.status, refusal.detail, {"www-authenticate": challenge})
