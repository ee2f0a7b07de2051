"""Judges a state machine's definition for what linters do not see: where states lead."""

from collections.abc import Iterator, Mapping
from typing import Any

_ENDS = {"Succeed", "Fail"}


def targets(state: Mapping[str, Any]) -> Iterator[str]:
    """Every state that a state may lead to."""
    if "Next" in state:
        yield state["Next"]
    if "Default" in state:
        yield state["Default"]
    for choice in state.get("Choices", ()):
        yield choice["Next"]
    for catch in state.get("Catch", ()):
        yield catch["Next"]


def faults(definition: Mapping[str, Any]) -> list[str]:
    """What is wrong with where states lead: missing, never reached, or without an end."""
    states: Mapping[str, Mapping[str, Any]] = definition["States"]
    start = definition["StartAt"]
    found = [
        f"{name} leads to {target}, which there is not"
        for name, state in states.items()
        for target in targets(state)
        if target not in states
    ]
    if start not in states:
        found.append(f"StartAt is {start}, which there is not")
    found += [f"{name} leads nowhere" for name, state in states.items() if _is_stuck(state)]
    found += [f"{name} is never reached" for name in sorted(set(states) - _reached(states, start))]
    ending = _ending(states)
    found += [f"{name} never comes to an end" for name in sorted(set(states) - ending)]
    return found


def _is_final(state: Mapping[str, Any]) -> bool:
    return state["Type"] in _ENDS or state.get("End") is True


def _is_stuck(state: Mapping[str, Any]) -> bool:
    if _is_final(state):
        return False
    # A choice without a default fails where no choice fits; any other state needs a next one.
    return ("Default" if state["Type"] == "Choice" else "Next") not in state


def _reached(states: Mapping[str, Mapping[str, Any]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in states and name not in reached:
            reached.add(name)
            waiting += targets(states[name])
    return reached


def _ending(states: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """States from which some way leads to an end."""
    ending = {name for name, state in states.items() if _is_final(state)}
    while True:
        more = {n for n, state in states.items() if ending & set(targets(state))} - ending
        if not more:
            return ending
        ending |= more
