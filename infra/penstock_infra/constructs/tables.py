"""DynamoDB tables as `penstock.resources` lists them: on demand, restorable, under our key."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct
from penstock.resources import TABLES, Index, Table, physical_name

from penstock_infra.config import Deployment

_TEXT, _NUMBER = dynamodb.AttributeType.STRING, dynamodb.AttributeType.NUMBER


class Tables(Construct):
    """Every table by Penstock's name."""

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, key: kms.IKey
    ) -> None:
        """Create every table with its indexes."""
        super().__init__(scope, name)
        self._deployment = deployment
        self._key = key
        self.tables: dict[str, dynamodb.Table] = {table.name: self._add(table) for table in TABLES}

    def _add(self, table: Table) -> dynamodb.Table:
        is_protected = self._deployment.protected
        made = dynamodb.Table(
            self,
            table.name,
            table_name=physical_name(self._deployment.name_prefix, table.name),
            partition_key=_attribute(table.partition, _TEXT),
            sort_key=_attribute(table.sort, _TEXT) if table.sort else None,
            time_to_live_attribute=table.ttl,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self._key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=is_protected,
            removal_policy=RemovalPolicy.RETAIN if is_protected else RemovalPolicy.DESTROY,
        )
        for index in table.indexes:
            _add_index(made, index)
        return made


def _add_index(table: dynamodb.Table, index: Index) -> None:
    table.add_global_secondary_index(
        index_name=index.name,
        partition_key=_attribute(index.partition, _TEXT),
        sort_key=_attribute(index.sort, _TEXT if index.sorts_text else _NUMBER),
        projection_type=dynamodb.ProjectionType.ALL,
    )


def _attribute(name: str, kind: dynamodb.AttributeType) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=kind)
