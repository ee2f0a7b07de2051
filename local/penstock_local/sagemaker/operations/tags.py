"""Tags of any resource, by its ARN."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penstock_local.sagemaker.names import split_arn
from penstock_local.sagemaker.operations.context import Context, Operation, read_tags
from penstock_local.sagemaker.records import Answer, Request
from penstock_local.sagemaker.store import Table
from penstock_local.sagemaker.wire import refuse

_MAX_TAGS = 50


def add_tags(context: Context, request: Request) -> Answer:
    """Add or overwrite; answer all tags of the resource."""
    table, record = _find(context, request["ResourceArn"])
    tags = {**record.tags, **read_tags(request)}
    if len(tags) > _MAX_TAGS:
        raise refuse(f"A resource has at most {_MAX_TAGS} tags.")
    table.put(replace(record, tags=tags))
    return {"Tags": _list(tags)}


def list_tags(context: Context, request: Request) -> Answer:
    """Answer all tags at once: there are at most as many as the smallest page may hold."""
    _, record = _find(context, request["ResourceArn"])
    return {"Tags": _list(record.tags)}


def delete_tags(context: Context, request: Request) -> Answer:
    table, record = _find(context, request["ResourceArn"])
    kept = {key: value for key, value in record.tags.items() if key not in request["TagKeys"]}
    table.put(replace(record, tags=kept))
    return {}


def _find(context: Context, arn: str) -> tuple[Table[Any], Any]:
    kind, name = split_arn(arn)
    tables: dict[str, Table[Any]] = {
        "training-job": context.tables.jobs,
        "model": context.tables.models,
        "endpoint-config": context.tables.configs,
        "endpoint": context.tables.endpoints,
    }
    table = tables.get(kind)
    record = table.get(name) if table is not None else None
    if table is None or record is None:
        raise refuse(f'Could not find resource "{arn}".')
    return table, record


def _list(tags: Mapping[str, str]) -> list[Answer]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


OPERATIONS: Mapping[str, Operation] = {
    "AddTags": add_tags,
    "ListTags": list_tags,
    "DeleteTags": delete_tags,
}
