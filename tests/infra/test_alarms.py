"""Alarms in the templates: each tells people by severity, and the runbook has a section for it."""

import json
import re
from pathlib import Path
from typing import Any

from penstock.problems import BY_ID, RUNBOOK

from tests.infra.everything import RUNBOOK as RUNBOOK_URL
from tests.infra.reading import as_text, statements_of
from tests.infra.synthesis import Synthesized

ROOT = Path(__file__).parents[2]
PREFIX = "penstock-prod"


def alarms_of(synthesized: Synthesized) -> list[dict[str, Any]]:
    return [r["Properties"] for r in synthesized.resources("AWS::CloudWatch::Alarm").values()]


def problem_of(alarm: dict[str, Any]) -> str:
    return str(alarm["AlarmDescription"]).partition(" ")[0]


def queue_of(alarm: dict[str, Any]) -> str:
    return next((d["Value"] for d in alarm.get("Dimensions", []) if d["Name"] == "QueueName"), "")


def test_ids_in_alarms_are_the_headings_of_the_runbook(everything: Synthesized) -> None:
    headings = re.findall(r"^#+ (PS-\S+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    assert {problem_of(alarm) for alarm in alarms_of(everything)} == set(headings)


def test_every_dead_letter_queue_of_the_templates_rings(everything: Synthesized) -> None:
    queues = {
        r["Properties"]["QueueName"] for r in everything.resources("AWS::SQS::Queue").values()
    }
    dead = {name for name in queues if name.endswith("-dlq")}
    visible = {
        queue_of(alarm)
        for alarm in alarms_of(everything)
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        and (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    }
    assert visible == dead
    aged = {
        queue_of(alarm)
        for alarm in alarms_of(everything)
        if problem_of(alarm) == "PS-QUEUE-OLD" and alarm["Threshold"] == 86_400
    }
    assert aged == queues - dead


def test_an_alarm_tells_of_its_beginning_and_end_by_severity(everything: Synthesized) -> None:
    topics = everything.resources("AWS::SNS::Topic")
    for alarm in alarms_of(everything):
        problem = BY_ID[problem_of(alarm)]  # type: ignore[index]  # the test above holds the ids
        assert alarm["AlarmName"].startswith(f"{PREFIX}-{problem.id}-")
        link = f"Runbook: {RUNBOOK_URL}#{problem.id.lower()}"
        assert alarm["AlarmDescription"].endswith(link)
        for actions in (alarm["AlarmActions"], alarm["OKActions"]):
            (told,) = (as_text(action).strip("<>") for action in actions)
            assert topics[told]["Properties"]["TopicName"] == f"{PREFIX}-alarms-{problem.severity}"


def test_topics_of_alarms_are_encrypted_and_take_our_alarms_alone(everything: Synthesized) -> None:
    topics = {
        logical_id: topic["Properties"]
        for logical_id, topic in everything.resources("AWS::SNS::Topic").items()
        if "-alarms-" in topic["Properties"]["TopicName"]
    }
    assert len(topics) == 2
    assert all("KmsMasterKeyId" in topic for topic in topics.values())
    for policy in everything.resources("AWS::SNS::TopicPolicy").values():
        told = as_text(policy["Properties"]["Topics"][0]).strip("<>")
        if told not in topics:
            continue
        (allowed,) = (
            one
            for one in statements_of(policy["Properties"]["PolicyDocument"])
            if one["Effect"] == "Allow"
        )
        assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        source = as_text(allowed["Condition"]["ArnLike"]["aws:SourceArn"])
        assert source.endswith(f":alarm:{PREFIX}-*")


def test_people_are_written_to_about_both(everything: Synthesized) -> None:
    emails = [
        one["Properties"]
        for one in everything.resources("AWS::SNS::Subscription").values()
        if one["Properties"]["Protocol"] == "email"
    ]
    assert [one["Endpoint"] for one in emails] == ["ops@example.com"] * 2
    assert len({as_text(one["TopicArn"]) for one in emails}) == 2


def test_the_dashboard_is_one_document_of_json_that_shows_the_alarms(
    everything: Synthesized,
) -> None:
    (dashboard,) = everything.resources("AWS::CloudWatch::Dashboard").values()
    assert dashboard["Properties"]["DashboardName"] == PREFIX
    body = json.loads(as_text(dashboard["Properties"]["DashboardBody"]))
    alarms = [w for w in body["widgets"] if w["type"] == "alarm"]
    shown = sum(len(widget["properties"]["alarms"]) for widget in alarms)
    assert shown == len(alarms_of(everything))
    assert all(len(widget["properties"]["alarms"]) <= 100 for widget in alarms)


def test_dev_has_a_dashboard_and_no_alarms(dev: Synthesized) -> None:
    assert not alarms_of(dev)
    assert not [t for t in dev.resources("AWS::SNS::Topic").values() if "alarms" in as_text(t)]
    assert dev.resources("AWS::CloudWatch::Dashboard")


def collectors_of(synthesized: Synthesized) -> dict[str, Any]:
    """Configuration of the collector beside each command."""
    found = {}
    for task in synthesized.resources("AWS::ECS::TaskDefinition").values():
        for container in task["Properties"]["ContainerDefinitions"]:
            if container["Name"] == "collector":
                name = task["Properties"]["Family"].removeprefix(f"{PREFIX}-")
                (told,) = (
                    one["Value"]
                    for one in container["Environment"]
                    if one["Name"] == "AOT_CONFIG_CONTENT"
                )
                found[name] = json.loads(as_text(told))["exporters"]["awsemf"]
    return found


def measured_of_ours(alarms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    plain = [alarm for alarm in alarms if "MetricName" in alarm]
    inputs = [
        query["MetricStat"]["Metric"]
        for alarm in alarms
        for query in alarm.get("Metrics", [])
        if "MetricStat" in query
    ]
    return [one for one in plain + inputs if one["Namespace"].startswith("Penstock")]


def test_what_alarms_watch_of_ours_is_what_collectors_send(everything: Synthesized) -> None:
    collectors = collectors_of(everything)
    watched = measured_of_ours(alarms_of(everything))
    assert watched
    for one in watched:
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in one["Dimensions"]}
        sent = collectors[dimensions["service"]]
        assert one["Namespace"] == sent["namespace"]
        kept = [
            declared["dimensions"]
            for declared in sent["metric_declarations"]
            if f"^{one['MetricName']}$" in declared["metric_name_selectors"]
        ]
        assert list(dimensions) in kept[0]
