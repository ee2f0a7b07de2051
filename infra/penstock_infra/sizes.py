"""How many tasks of a command a deployment runs."""

from penstock.command import Command

from penstock_infra.config import Deployment


def least_tasks(command: Command, deployment: Deployment) -> int:
    """Tasks that always run."""
    wished = deployment.least_tasks or command.least_tasks
    return min(wished, most_tasks(command, deployment))


def most_tasks(command: Command, deployment: Deployment) -> int:
    """Tasks that run at most."""
    return min(command.most_tasks, deployment.most_tasks or command.most_tasks)
