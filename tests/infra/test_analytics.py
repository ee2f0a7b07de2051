"""Glue, Athena, QuickSight, crawler, Spark: encrypted, limited, narrow, and off where told so."""

from typing import Any

from penstock_infra.glue_tables import TABLES

from tests.infra.everything import PRINCIPAL
from tests.infra.reading import all_policies, as_list, as_text, statements_of
from tests.infra.synthesis import Synthesized

PREFIX = "penstock-prod"
KEY = "<keyFEDD6EC0.Arn>"


def only(synthesized: Synthesized, kind: str) -> dict[str, Any]:
    (resource,) = synthesized.resources(kind).values()
    return dict(resource["Properties"])


def role_named(synthesized: Synthesized, name: str) -> dict[str, Any]:
    for resource in synthesized.resources("AWS::IAM::Role").values():
        if resource["Properties"].get("RoleName") == f"{PREFIX}-{name}":
            return dict(resource["Properties"])
    raise AssertionError(f"no role {name}")


def test_every_table_of_the_list_is_in_the_catalog_with_comments(everything: Synthesized) -> None:
    made = {
        resource["Properties"]["TableInput"]["Name"]: resource["Properties"]["TableInput"]
        for resource in everything.resources("AWS::Glue::Table").values()
    }
    assert set(made) == {table.name for table in TABLES} | {"v_live"}
    for table in TABLES:
        told = made[table.name]
        assert told["Parameters"]["projection.enabled"] == "true"
        assert told["Parameters"]["projection.dt.range"].startswith("2024-06-01,")
        place = f"s3://{PREFIX}-{table.bucket.name}/{table.root}/"
        assert told["StorageDescriptor"]["Location"] == place
        columns = told["StorageDescriptor"]["Columns"]
        assert [column["Name"] for column in columns] == [one.name for one in table.columns]
        assert all(column["Comment"] for column in columns)
        assert [column["Name"] for column in told["PartitionKeys"]] == ["dt", "hour"]


def test_the_view_is_made_after_its_table(everything: Synthesized) -> None:
    by_name = {
        resource["Properties"]["TableInput"]["Name"]: (logical_id, resource)
        for logical_id, resource in everything.resources("AWS::Glue::Table").items()
    }
    _, view = by_name["v_live"]
    assert by_name["predictions"][0] in view["DependsOn"]
    assert view["Properties"]["TableInput"]["TableType"] == "VIRTUAL_VIEW"


def test_a_query_is_limited_and_its_results_are_encrypted_and_go_nowhere_else(
    everything: Synthesized,
) -> None:
    workgroup = only(everything, "AWS::Athena::WorkGroup")
    told = workgroup["WorkGroupConfiguration"]
    assert workgroup["Name"] == PREFIX
    assert told["EnforceWorkGroupConfiguration"] is True
    assert told["BytesScannedCutoffPerQuery"] == 7 * 1024**3
    result = told["ResultConfiguration"]
    assert result["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    assert as_text(result["EncryptionConfiguration"]["KmsKey"]) == KEY
    buckets = everything.resources("AWS::S3::Bucket")
    results_id = as_text(result["OutputLocation"]).removeprefix("s3://<").removesuffix(">/")
    assert buckets[results_id]["Properties"]["BucketName"] == f"{PREFIX}-athena-results"


def test_queries_are_in_the_workgroup(everything: Synthesized) -> None:
    queries = [
        resource["Properties"]
        for resource in everything.resources("AWS::Athena::NamedQuery").values()
    ]
    assert {query["WorkGroup"] for query in queries} == {PREFIX}
    assert {query["Database"] for query in queries} == {"penstock_prod"}
    assert "make-v-live" in {query["Name"] for query in queries}


def test_an_analyst_reads_the_tables_folders_and_writes_results_alone(
    everything: Synthesized,
) -> None:
    policies = {
        resource["Properties"]["ManagedPolicyName"]: resource["Properties"]["PolicyDocument"]
        for resource in everything.resources("AWS::IAM::ManagedPolicy").values()
        if resource["Properties"].get("ManagedPolicyName", "").endswith("-analyst")
    }
    by_sid = {one.get("Sid", ""): one for one in statements_of(policies[f"{PREFIX}-analyst"])}
    folders = [as_text(arn) for arn in by_sid["ReadFolders"]["Resource"]]
    assert folders == [
        f"arn:<AWS::Partition>:s3:::{PREFIX}-{bucket}/{root}/*"
        for bucket, root in sorted((table.bucket.name, table.root) for table in TABLES)
    ]
    assert by_sid["ReadFolders"]["Action"] == "s3:GetObject"
    written = {
        as_text(arn)
        for one in by_sid.values()
        if "s3:PutObject" in as_list(one["Action"])
        for arn in as_list(one["Resource"])
    }
    assert written == {f"arn:<AWS::Partition>:s3:::{PREFIX}-athena-results/*"}
    assert "*" not in {as_text(arn) for one in by_sid.values() for arn in as_list(one["Resource"])}


def test_quicksight_asks_by_a_role_of_its_own_and_its_owner_is_the_one_named(
    everything: Synthesized,
) -> None:
    source = only(everything, "AWS::QuickSight::DataSource")
    data_set = only(everything, "AWS::QuickSight::DataSet")
    role = role_named(everything, "quicksight")
    (trust,) = statements_of(role["AssumeRolePolicyDocument"])
    assert trust["Principal"] == {"Service": "quicksight.amazonaws.com"}
    told = source["DataSourceParameters"]["AthenaParameters"]
    assert (told["WorkGroup"], as_text(told["RoleArn"])) == (PREFIX, "<quicksightrole2496AB3A.Arn>")
    for resource in (source, data_set):
        (permission,) = resource["Permissions"]
        assert permission["Principal"] == PRINCIPAL
    table = data_set["PhysicalTableMap"]["live"]["RelationalTable"]
    assert (table["Schema"], table["Name"]) == ("penstock_prod", "v_live")
    assert "features" not in {column["Name"] for column in table["InputColumns"]}


def test_the_crawler_reads_datasets_and_finds_tables_apart_from_the_declared(
    everything: Synthesized,
) -> None:
    crawler = only(everything, "AWS::Glue::Crawler")
    assert crawler["Targets"]["S3Targets"] == [{"Path": f"s3://{PREFIX}-training/datasets/"}]
    assert crawler["DatabaseName"] == "penstock_prod_datasets"
    assert crawler["Schedule"] == {"ScheduleExpression": "cron(0 3 * * ? *)"}
    role = role_named(everything, "crawler")
    writes = [
        as_text(arn)
        for inline in role["Policies"]
        for one in statements_of(inline["PolicyDocument"])
        if "glue:CreateTable" in as_list(one["Action"])
        for arn in as_list(one["Resource"])
    ]
    assert all(arn.endswith((":catalog", "/penstock_prod_datasets", "/*")) for arn in writes)
    assert not any("/penstock_prod/" in arn for arn in writes)


def test_the_spark_job_writes_datasets_and_its_scratch_alone(everything: Synthesized) -> None:
    job = only(everything, "AWS::Glue::Job")
    assert job["Command"]["ScriptLocation"] == "s3://penstock-code/prepare.py"
    assert (job["NumberOfWorkers"], job["MaxRetries"]) == (4, 0)
    role = role_named(everything, "spark-prepare")
    writes = {
        as_text(arn).rpartition(":::")[2]
        for inline in role["Policies"]
        for one in statements_of(inline["PolicyDocument"])
        if "s3:PutObject" in as_list(one["Action"])
        for arn in as_list(one["Resource"])
    }
    assert writes == {f"{PREFIX}-training/datasets/*", f"{PREFIX}-training/spark/*"}


def test_what_glue_writes_is_under_our_key(everything: Synthesized) -> None:
    for resource in everything.resources("AWS::Glue::SecurityConfiguration").values():
        told = resource["Properties"]["EncryptionConfiguration"]
        keys = {
            as_text(told["CloudWatchEncryption"]["KmsKeyArn"]),
            as_text(told["JobBookmarksEncryption"]["KmsKeyArn"]),
            *(as_text(one["KmsKeyArn"]) for one in told["S3Encryptions"]),
        }
        assert keys == {KEY}


def test_crawler_spark_and_quicksight_are_off_unless_told(prod: Synthesized) -> None:
    for kind in ("AWS::Glue::Crawler", "AWS::Glue::Job", "AWS::QuickSight::DataSet"):
        assert not prod.resources(kind)
    assert prod.resources("AWS::Athena::WorkGroup")


def test_with_every_switch_on_no_action_has_a_wildcard(everything: Synthesized) -> None:
    actions = {
        (logical_id, action)
        for logical_id, policy in all_policies(everything)
        for one in statements_of(policy)
        for action in as_list(one["Action"])
    }
    assert not {(where, action) for where, action in actions if "*" in action}
