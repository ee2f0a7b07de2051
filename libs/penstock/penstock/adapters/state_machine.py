"""Step Functions: executions by name, and answers to the tasks that wait for one."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.adapters.aws import AWS_ERRORS, arn_of, error_code, unavailable
from penstock.domain.errors import Conflict

if TYPE_CHECKING:
    from types_aiobotocore_stepfunctions import SFNClient

_TIMED_OUT = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
_CAUSE_LIMIT = 32_000
_ERROR_LIMIT = 256


class StateMachine:
    """Executions of one state machine."""

    def __init__(self, client: "SFNClient", arn: str) -> None:
        """Keep the ARN; see `machine_arn`."""
        self._client = client
        self._arn = arn

    async def ensure(self, definition: str, role_arn: str) -> None:
        """Create the state machine, or give it this definition; running executions keep theirs."""
        try:
            await self._write(definition, role_arn)
        except AWS_ERRORS as error:
            raise unavailable(error, f"writing state machine {self._arn}") from error

    async def start(self, name: str, payload: Mapping[str, object]) -> None:
        """Start an execution; one of that name with the same payload is adopted.

        Raise Conflict where the name is taken by another payload.
        """
        try:
            await self._client.start_execution(
                stateMachineArn=self._arn, name=name, input=json.dumps(payload, sort_keys=True)
            )
        except AWS_ERRORS as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise unavailable(error, f"starting execution {name}") from error
            await self._adopt(_execution_arn(self._arn, name), payload)

    async def status(self, name: str) -> str | None:
        """Status of an execution; None where there is none of that name."""
        try:
            answer = await self._client.describe_execution(
                executionArn=_execution_arn(self._arn, name)
            )
        except AWS_ERRORS as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return None
            raise unavailable(error, f"reading execution {name}") from error
        return answer["status"]

    async def _write(self, definition: str, role_arn: str) -> None:
        try:
            await self._client.update_state_machine(
                stateMachineArn=self._arn, definition=definition, roleArn=role_arn
            )
        except AWS_ERRORS as error:
            if error_code(error) != "StateMachineDoesNotExist":
                raise
            await self._client.create_state_machine(
                name=self._arn.rpartition(":")[2], definition=definition, roleArn=role_arn
            )

    async def _adopt(self, execution_arn: str, payload: Mapping[str, object]) -> None:
        try:
            answer = await self._client.describe_execution(executionArn=execution_arn)
        except AWS_ERRORS as error:
            raise unavailable(error, f"reading execution {execution_arn}") from error
        if json.loads(answer.get("input", "{}")) != dict(payload):
            raise Conflict(f"execution {execution_arn} was started for something else")


class TaskTokens:
    """Answers to tasks; a token that has timed out raises Conflict, since another has its task."""

    def __init__(self, client: "SFNClient") -> None:
        """Keep the client."""
        self._client = client

    async def succeed(self, token: str, output: Mapping[str, object]) -> None:
        """Give the task's result."""
        try:
            await self._client.send_task_success(taskToken=token, output=json.dumps(output))
        except AWS_ERRORS as error:
            raise _translated(error) from error

    async def fail(self, token: str, error: str, cause: str) -> None:
        """Fail the task under a name that the state machine can catch."""
        try:
            await self._client.send_task_failure(
                taskToken=token, error=error[:_ERROR_LIMIT], cause=cause[:_CAUSE_LIMIT]
            )
        except AWS_ERRORS as refused:
            raise _translated(refused) from refused

    async def heartbeat(self, token: str) -> None:
        """Tell that the task is still being worked on."""
        try:
            await self._client.send_task_heartbeat(taskToken=token)
        except AWS_ERRORS as error:
            raise _translated(error) from error


def machine_arn(name: str, *, region: str, account: str) -> str:
    """ARN of a state machine by its physical name."""
    return arn_of("states", f"stateMachine:{name}", region=region, account=account)


def _execution_arn(machine_arn: str, name: str) -> str:
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def _translated(error: Exception) -> Exception:
    if error_code(error) in _TIMED_OUT:
        return Conflict("the task was given up, or to another")
    return unavailable(error, "answering a task")
