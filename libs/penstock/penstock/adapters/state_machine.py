"""Step Functions: executions by name, and answers to the tasks that wait for one."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.adapters.aws import AWS_ERRORS, error_code, unavailable
from penstock.domain.errors import Conflict, StoreUnavailable

if TYPE_CHECKING:
    from types_aiobotocore_stepfunctions import SFNClient

_TIMED_OUT = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
_CAUSE_LIMIT = 32_000
_ERROR_LIMIT = 256


class StateMachine:
    """Executions of one state machine, found by its name."""

    def __init__(self, client: "SFNClient", name: str) -> None:
        """Keep the physical name; the ARN is looked up when it is first needed."""
        self._client = client
        self._name = name
        self._arn: str | None = None

    async def ensure(self, definition: str, role_arn: str) -> None:
        """Create the state machine, or give it this definition; running executions keep theirs."""
        try:
            arn = await self._find()
            if arn is None:
                answer = await self._client.create_state_machine(
                    name=self._name, definition=definition, roleArn=role_arn
                )
                arn = answer["stateMachineArn"]
            else:
                await self._client.update_state_machine(
                    stateMachineArn=arn, definition=definition, roleArn=role_arn
                )
        except AWS_ERRORS as error:
            raise unavailable(error, f"writing state machine {self._name}") from error
        self._arn = arn

    async def start(self, name: str, payload: Mapping[str, object]) -> None:
        """Start an execution; one of that name with the same payload is adopted.

        Raise Conflict where the name is taken by another payload.
        """
        arn = await self._machine_arn()
        try:
            await self._client.start_execution(
                stateMachineArn=arn, name=name, input=json.dumps(payload, sort_keys=True)
            )
        except AWS_ERRORS as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise unavailable(error, f"starting execution {name}") from error
            await self._adopt(_execution_arn(arn, name), payload)

    async def status(self, name: str) -> str | None:
        """Status of an execution; None where there is none of that name."""
        execution_arn = _execution_arn(await self._machine_arn(), name)
        try:
            answer = await self._client.describe_execution(executionArn=execution_arn)
        except AWS_ERRORS as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return None
            raise unavailable(error, f"reading execution {name}") from error
        return answer["status"]

    async def _adopt(self, execution_arn: str, payload: Mapping[str, object]) -> None:
        try:
            answer = await self._client.describe_execution(executionArn=execution_arn)
        except AWS_ERRORS as error:
            raise unavailable(error, f"reading execution {execution_arn}") from error
        if json.loads(answer.get("input", "{}")) != dict(payload):
            raise Conflict(f"execution {execution_arn} was started for something else")

    async def _machine_arn(self) -> str:
        if self._arn is None:
            try:
                self._arn = await self._find()
            except AWS_ERRORS as error:
                raise unavailable(error, f"looking for state machine {self._name}") from error
        if self._arn is None:
            raise StoreUnavailable(f"there is no state machine {self._name} yet")
        return self._arn

    async def _find(self) -> str | None:
        async for page in self._client.get_paginator("list_state_machines").paginate():
            for machine in page["stateMachines"]:
                if machine["name"] == self._name:
                    return machine["stateMachineArn"]
        return None


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


def _execution_arn(machine_arn: str, name: str) -> str:
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def _translated(error: Exception) -> Exception:
    if error_code(error) in _TIMED_OUT:
        return Conflict("the task was given up, or to another")
    return unavailable(error, "answering a task")
