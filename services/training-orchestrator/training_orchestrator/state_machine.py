"""The state machine's definition: one file for AWS and for the embedded stack."""

from importlib.resources import files

FILE = "state_machine.asl.json"


def definition() -> str:
    """Amazon States Language with `${jobs_table}`, `${commands_queue_url}` and
    `${prepare_queue_url}` left open, as CDK's substitutions have them.
    """
    return (files("training_orchestrator") / FILE).read_text()


def render(**values: str) -> str:
    """Fill the definition; raise KeyError where a value is missing."""
    text = definition()
    for name in ("jobs_table", "commands_queue_url", "prepare_queue_url"):
        text = text.replace(f"${{{name}}}", values[name])
    return text
