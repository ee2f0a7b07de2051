"""People and the clock: firewall, sign-in, schedules, and the task that migrates."""

import json
import re
from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_kms as kms
from penstock.command import Schedule
from penstock.resources import COMMANDS, QUEUES
from penstock_infra.app import new_app
from penstock_infra.arns import Names
from penstock_infra.constructs.channels import Channels
from penstock_infra.constructs.schedules import Schedules
from penstock_infra.environment import USER, WORK_FOLDER

from tests.infra.reading import as_text
from tests.infra.synthesis import Synthesized

ROOT = Path(__file__).parents[2]


def test_floods_are_answered_as_the_services_answer_them(prod: Synthesized) -> None:
    (acl,) = prod.resources("AWS::WAFv2::WebACL").values()
    rules = {rule["Name"]: rule for rule in acl["Properties"]["Rules"]}
    answer = rules["rate"]["Action"]["Block"]["CustomResponse"]
    assert answer["ResponseCode"] == 429
    assert answer["ResponseHeaders"] == [{"Name": "Retry-After", "Value": "30"}]
    body = acl["Properties"]["CustomResponseBodies"][answer["CustomResponseBodyKey"]]
    assert set(json.loads(body["Content"])) == {"error", "detail"}


def test_rules_about_bodies_leave_readings_alone(prod: Synthesized) -> None:
    """A body of readings is long and full of paths; a rule that blocked one would lose readings."""
    (acl,) = prod.resources("AWS::WAFv2::WebACL").values()
    for rule in acl["Properties"]["Rules"]:
        managed = rule["Statement"].get("ManagedRuleGroupStatement")
        if managed and managed["Name"] != "AWSManagedRulesAmazonIpReputationList":
            spared = managed["ScopeDownStatement"]["NotStatement"]["Statement"]
            assert spared["ByteMatchStatement"]["SearchString"] == "/v1/readings"


def test_keys_and_tokens_stay_out_of_the_firewalls_log(prod: Synthesized) -> None:
    (logging,) = prod.resources("AWS::WAFv2::LoggingConfiguration").values()
    hidden = {f["SingleHeader"]["Name"] for f in logging["Properties"]["RedactedFields"]}
    assert hidden == {"authorization", "x-api-key"}


def test_there_is_a_group_for_each_role_and_admin_counts_first(prod: Synthesized) -> None:
    groups = [g["Properties"] for g in prod.resources("AWS::Cognito::UserPoolGroup").values()]
    ordered = sorted(groups, key=lambda group: int(group["Precedence"]))
    assert [group["GroupName"] for group in ordered] == ["admin", "operator", "viewer"]


def test_nobody_signs_up_alone_or_with_one_factor(prod: Synthesized) -> None:
    (pool,) = prod.resources("AWS::Cognito::UserPool").values()
    properties = pool["Properties"]
    assert properties["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert properties["MfaConfiguration"] == "ON"
    assert properties["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
    (client,) = prod.resources("AWS::Cognito::UserPoolClient").values()
    assert client["Properties"]["AllowedOAuthFlows"] == ["code"]


def test_one_line_of_schedules_becomes_a_schedule_with_dead_letters(tmp_path: Path) -> None:
    app = new_app(str(tmp_path))
    stack = Stack(app, "clock")
    key = kms.Key(stack, "key")
    line = Schedule(
        name="look", rate="rate(1 hour)", queue=QUEUES[0], body='{"version":1,"id":"look"}'
    )
    queues = Channels(stack, "channels", prefix="acme", key=key).queues
    Schedules(
        stack, "schedules", schedules=(line,), queues=queues, names=Names("acme"), key=key
    )  # fmt: skip
    app.synth()
    resources = json.loads((tmp_path / "clock.template.json").read_text())["Resources"]
    (schedule,) = [r for r in resources.values() if r["Type"] == "AWS::Scheduler::Schedule"]
    properties = schedule["Properties"]
    assert properties["ScheduleExpression"] == "rate(1 hour)"
    assert properties["ScheduleExpressionTimezone"] == "UTC"
    target = properties["Target"]
    assert target["Input"] == '{"version":1,"id":"look"}'
    names = {
        logical_id: r["Properties"]["QueueName"]
        for logical_id, r in resources.items()
        if r["Type"] == "AWS::SQS::Queue"
    }
    assert names[as_text(target["Arn"])[1:-5]] == f"acme-{QUEUES[0].name}"
    assert names[as_text(target["DeadLetterConfig"]["Arn"])[1:-5]] == "acme-schedules-dlq"
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 5


def test_migrations_enter_as_the_master_and_are_no_service(prod: Synthesized) -> None:
    (task,) = [
        t["Properties"]
        for t in prod.resources("AWS::ECS::TaskDefinition").values()
        if t["Properties"]["Family"] == "penstock-prod-migrations"
    ]
    (container,) = task["ContainerDefinitions"]
    assert {one["Name"] for one in container["Secrets"]} == {"PGUSER", "PGPASSWORD"}
    told = {v["Name"]: as_text(v["Value"]) for v in container["Environment"]}
    assert set(told) == {"PENSTOCK_AURORA_DSN", "PENSTOCK_AURORA_ROOT_CERTIFICATE"}
    assert "user=" not in told["PENSTOCK_AURORA_DSN"]


def test_whoever_enters_aurora_verifies_it_by_a_file_of_the_image(prod: Synthesized) -> None:
    told = [
        {one["Name"].rpartition("AURORA_")[2]: as_text(one["Value"]) for one in variables}
        for task in prod.resources("AWS::ECS::TaskDefinition").values()
        for container in task["Properties"]["ContainerDefinitions"]
        if (variables := container.get("Environment"))
        and any("AURORA_" in one["Name"] for one in variables)
    ]
    assert len(told) == len([one for one in COMMANDS if one.uses_aurora]) + 1, "and the migrations"
    for variables in told:
        named = {name.lstrip("_"): value for name, value in variables.items()}
        assert "sslmode=verify-full" in named["DSN"].split()
        assert named["ROOT_CERTIFICATE"] == "/opt/penstock/authorities/aurora.pem"
    text = (ROOT / "Dockerfile").read_text()
    for stage in ("service", "migrations"):
        (steps,) = re.findall(rf"^FROM \w+ AS {stage}$(.*?)^FROM ", text, re.M | re.S)
        assert "\nCOPY infra/authorities /opt/penstock/authorities\n" in steps


def test_the_image_has_the_user_and_the_folder_that_tasks_are_given() -> None:
    """ECS gives an empty volume the rights of the image's folder only where that is a VOLUME."""
    text = (ROOT / "Dockerfile").read_text()
    (service,) = re.findall(r"^FROM base AS service$(.*?)^FROM ", text, re.M | re.S)
    assert f"\nUSER {USER}\n" in service
    assert f"\nVOLUME {WORK_FOLDER}\n" in service
