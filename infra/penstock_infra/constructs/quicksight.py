"""A QuickSight data set over the live predictions, for one owner who builds dashboards on it."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_quicksight as quicksight
from constructs import Construct

from penstock_infra.arns import use_of_key
from penstock_infra.constructs.athena import Athena
from penstock_infra.constructs.catalog import Catalog
from penstock_infra.constructs.lake_readers import ask_athena, read_lake
from penstock_infra.constructs.service_role import service_role
from penstock_infra.glue_tables import GlueType, database_name
from penstock_infra.queries import V_LIVE, V_LIVE_COLUMNS

_TYPES: dict[GlueType, str] = {
    "string": "STRING", "tinyint": "INTEGER", "int": "INTEGER", "bigint": "INTEGER",
    "double": "DECIMAL", "boolean": "BOOLEAN", "timestamp": "DATETIME",
}  # fmt: skip
"""QuickSight's types; it has none for a list, so the features stay out."""

_SOURCE_ACTIONS = [
    "quicksight:DescribeDataSource", "quicksight:DescribeDataSourcePermissions",
    "quicksight:PassDataSource", "quicksight:UpdateDataSource", "quicksight:DeleteDataSource",
    "quicksight:UpdateDataSourcePermissions",
]  # fmt: skip
_SET_ACTIONS = [
    "quicksight:DescribeDataSet", "quicksight:DescribeDataSetPermissions", "quicksight:PassDataSet",
    "quicksight:DescribeIngestion", "quicksight:ListIngestions", "quicksight:CreateIngestion",
    "quicksight:CancelIngestion", "quicksight:UpdateDataSet", "quicksight:DeleteDataSet",
    "quicksight:UpdateDataSetPermissions",
]  # fmt: skip
"""The sets of actions that make an owner; QuickSight takes no other combination."""


class QuickSight(Construct):
    """Asks Athena by a role of its own, so that nothing of the account's QuickSight is changed."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        prefix: str,
        athena: Athena,
        catalog: Catalog,
        key: kms.IKey,
        principal_arn: str,
    ) -> None:
        """Create the source and the set."""
        super().__init__(scope, name)
        self._prefix = prefix
        self._principal_arn = principal_arn
        role = self._add_role(key)
        source = self._add_source(role)
        source.add_dependency(athena.workgroup)
        self._add_set(source).node.add_dependency(catalog)

    def _add_role(self, key: kms.IKey) -> iam.Role:
        return service_role(
            self,
            "role",
            name=f"{self._prefix}-quicksight",
            service="quicksight",
            statements=[
                *read_lake(self._prefix),
                *ask_athena(self._prefix),
                use_of_key(key.key_arn, ("s3", "athena")),
            ],
        )

    def _add_source(self, role: iam.Role) -> quicksight.CfnDataSource:
        return quicksight.CfnDataSource(
            self,
            "source",
            aws_account_id=Aws.ACCOUNT_ID,
            data_source_id=f"{self._prefix}-athena",
            name=f"{self._prefix} lake",
            type="ATHENA",
            data_source_parameters=quicksight.CfnDataSource.DataSourceParametersProperty(
                athena_parameters=quicksight.CfnDataSource.AthenaParametersProperty(
                    work_group=self._prefix, role_arn=role.role_arn
                )
            ),
            permissions=[
                quicksight.CfnDataSource.ResourcePermissionProperty(
                    principal=self._principal_arn, actions=_SOURCE_ACTIONS
                )
            ],
        )

    def _add_set(self, source: quicksight.CfnDataSource) -> quicksight.CfnDataSet:
        table = quicksight.CfnDataSet.RelationalTableProperty(
            data_source_arn=source.attr_arn,
            catalog="AwsDataCatalog",
            schema=database_name(self._prefix),
            name=V_LIVE,
            input_columns=[
                quicksight.CfnDataSet.InputColumnProperty(name=one.name, type=_TYPES[one.type])
                for one in V_LIVE_COLUMNS
                if one.type in _TYPES
            ],
        )
        return quicksight.CfnDataSet(
            self,
            "set",
            aws_account_id=Aws.ACCOUNT_ID,
            data_set_id=f"{self._prefix}-live-predictions",
            name=f"{self._prefix} live predictions",
            import_mode="DIRECT_QUERY",
            physical_table_map={
                "live": quicksight.CfnDataSet.PhysicalTableProperty(relational_table=table)
            },
            permissions=[
                quicksight.CfnDataSet.ResourcePermissionProperty(
                    principal=self._principal_arn, actions=_SET_ACTIONS
                )
            ],
        )
