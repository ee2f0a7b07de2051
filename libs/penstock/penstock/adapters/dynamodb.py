"""Small items in DynamoDB with conditional writes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

from penstock.adapters.aws import AWS_ERRORS, error_code, unavailable
from penstock.domain.errors import VersionConflict
from penstock.ports import Item, Write
from penstock.resources import TABLES, physical_name

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_CONFLICTS = frozenset({"ConditionalCheckFailedException", "TransactionConflictException"})
_TABLES = {table.name: table for table in TABLES}


class DynamoStore:
    """Tables by their logical names."""

    def __init__(self, client: "DynamoDBClient", prefix: str) -> None:
        """Keep the prefix of the physical names."""
        self._client: Any = client
        self._prefix = prefix

    async def get(self, table: str, key: Item) -> dict[str, object] | None:
        """Read one item, strongly consistent."""
        try:
            answer = await self._client.get_item(
                TableName=self._physical(table), Key=to_attributes(key), ConsistentRead=True
            )
        except AWS_ERRORS as error:
            raise unavailable(error, f"reading table {table}") from error
        item = answer.get("Item")
        return from_attributes(item) if item else None

    async def write(self, write: Write) -> dict[str, object]:
        """Change one item and return it as it then is; raise VersionConflict where refused."""
        request = to_request(write, self._physical(write.table))
        try:
            if write.put is not None:
                await self._client.put_item(**request)
                return dict(write.put)
            if write.delete:
                await self._client.delete_item(**request)
                return {}
            answer = await self._client.update_item(**request, ReturnValues="ALL_NEW")
        except AWS_ERRORS as error:
            raise _translated(error, write.table) from error
        return from_attributes(answer["Attributes"])

    async def write_all(self, writes: Sequence[Write]) -> None:
        """Change all (≤ 100) or none; raise VersionConflict where a requirement fails."""
        items = []
        for write in writes:
            kind = "Put" if write.put is not None else "Delete" if write.delete else "Update"
            items.append({kind: to_request(write, self._physical(write.table))})
        try:
            await self._client.transact_write_items(TransactItems=items)
        except AWS_ERRORS as error:
            raise _translated(error, ", ".join(sorted({w.table for w in writes}))) from error

    async def query(
        self,
        table: str,
        key: Item,
        *,
        sort_prefix: str = "",
        index: str | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[dict[str, object]]:
        """Walk the items of one partition in order of their sort key."""
        ((partition, value),) = key.items()
        names = {"#p": partition}
        values = {":p": value}
        condition = "#p = :p"
        if sort_prefix:
            names["#s"] = _TABLES[table].sort or ""
            values[":s"] = sort_prefix
            condition += " AND begins_with(#s, :s)"
        request: dict[str, Any] = {
            "TableName": self._physical(table),
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": to_attributes(values),
            "ScanIndexForward": not newest_first,
            "ConsistentRead": index is None,
        }
        if index is not None:
            request["IndexName"] = index
        async for item in self._pages("query", table, request):
            yield item

    async def scan(self, table: str) -> AsyncIterator[dict[str, object]]:
        """Walk a whole table, in no order; for small tables only."""
        request = {"TableName": self._physical(table), "ConsistentRead": True}
        async for item in self._pages("scan", table, request):
            yield item

    async def _pages(
        self, operation: str, table: str, request: dict[str, Any]
    ) -> AsyncIterator[dict[str, object]]:
        try:
            async for page in self._client.get_paginator(operation).paginate(**request):
                for item in page.get("Items", []):
                    yield from_attributes(item)
        except AWS_ERRORS as error:
            raise unavailable(error, f"reading table {table}") from error

    def _physical(self, table: str) -> str:
        return physical_name(self._prefix, _TABLES[table].name)


def _translated(error: Exception, table: str) -> Exception:
    if error_code(error) in _CONFLICTS:
        return VersionConflict(f"table {table}: somebody else was first")
    reasons = getattr(error, "response", {}).get("CancellationReasons", [])
    codes = {reason.get("Code") for reason in reasons} - {"None", None}
    if codes & {"ConditionalCheckFailed", "TransactionConflict"}:
        return VersionConflict(f"table {table}: somebody else was first")
    if error_code(error) == "TransactionCanceledException" and not codes:
        return VersionConflict(f"table {table}: the transaction was refused")
    return unavailable(error, f"writing table {table}")


class _Names:
    """Placeholders of one request's attribute names and values."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, object] = {}

    def name(self, attribute: str) -> str:
        for placeholder, known in self.names.items():
            if known == attribute:
                return placeholder
        placeholder = f"#n{len(self.names)}"
        self.names[placeholder] = attribute
        return placeholder

    def value(self, value: object) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder


def to_request(write: Write, table: str) -> dict[str, Any]:
    """Write a change as DynamoDB's expression language has it."""
    names = _Names()
    request: dict[str, Any] = {"TableName": table}
    if write.put is not None:
        request["Item"] = to_attributes({**write.key, **write.put})
    else:
        request["Key"] = to_attributes(write.key)
    if write.put is None and not write.delete:
        update = _update_expression(write, names)
        if update:
            request["UpdateExpression"] = update
    conditions = _conditions(write, names)
    if conditions:
        request["ConditionExpression"] = " AND ".join(conditions)
    if names.names:
        request["ExpressionAttributeNames"] = names.names
    if names.values:
        request["ExpressionAttributeValues"] = to_attributes(names.values)
    return request


def _conditions(write: Write, names: _Names) -> list[str]:
    conditions = [
        f"attribute_not_exists({names.name(attribute)})"
        if required is None
        else f"{names.name(attribute)} = {names.value(required)}"
        for attribute, required in write.require.items()
    ]
    for attribute, most in write.require_at_most.items():
        name = names.name(attribute)
        conditions.append(f"(attribute_not_exists({name}) OR {name} <= {names.value(most)})")
    partition = next(iter(write.key))
    if write.absent:
        conditions.append(f"attribute_not_exists({names.name(partition)})")
    if write.present:
        conditions.append(f"attribute_exists({names.name(partition)})")
    return conditions


def _update_expression(write: Write, names: _Names) -> str:
    changed = [
        f"{names.name(attribute)} = {names.value(value)}"
        for attribute, value in write.set.items()
        if value is not None
    ]
    removed = [names.name(attribute) for attribute, value in write.set.items() if value is None]
    added = [f"{names.name(attribute)} {names.value(by)}" for attribute, by in write.add.items()]
    clauses = {"SET": changed, "REMOVE": removed, "ADD": added}
    return " ".join(f"{verb} {', '.join(terms)}" for verb, terms in clauses.items() if terms)


_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


def to_attributes(item: Item) -> dict[str, Any]:
    """Write an item in DynamoDB's types; floats become decimals, None is left out."""
    return {
        name: _serializer.serialize(_writable(value))
        for name, value in item.items()
        if value is not None
    }


def from_attributes(attributes: Mapping[str, Any]) -> dict[str, object]:
    """Read an item back; whole numbers are int, others float."""
    return {name: _readable(_deserializer.deserialize(value)) for name, value in attributes.items()}


def _writable(value: object) -> object:
    # The one place where floats are turned: DynamoDB refuses them, and NaN cannot be kept at all.
    match value:
        case bool() | None | str() | bytes() | int():
            return value
        case float():
            return Decimal(repr(value))
        case Mapping():
            return {str(key): _writable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_writable(inner) for inner in value]
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be kept in a table")


def _readable(value: object) -> object:
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Binary():
            return bytes(value.value)
        case dict():
            return {key: _readable(inner) for key, inner in value.items()}
        case list():
            return [_readable(inner) for inner in value]
        case _:
            return value
