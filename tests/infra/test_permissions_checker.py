"""What holds permissions against calls sees every kind of fault; small roles show it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from penstock_local.api_calls.recorder import ApiCall

from tests.infra.arns import Names
from tests.infra.grants import Grant, Role, grants_in, overlap
from tests.infra.held import Line, Reviewed, Verdict, hold, read_reviewed
from tests.infra.needs import Places
from tests.infra.synthesis import Synthesized

HERE = "eu-west-1:111122223333"
KEY = f"arn:aws:kms:{HERE}:key/k"
PASSED = "arn:aws:iam::111122223333:role/sagemaker"
PLACES = Places("penstock-prod", KEY, PASSED)

QUEUE = f"arn:aws:sqs:{HERE}:penstock-prod-slices"
OBJECTS = "arn:aws:s3:::penstock-prod-training"
VIA = ("StringEquals kms:ViaService",)
RECEIVE = ApiCall("training-fetcher", "sqs:ReceiveMessage", "queue/slices")
WRITE = ApiCall("training-fetcher", "s3:PutObject", "bucket/training/raw/*")
OTHERS = ApiCall("training-preparer", "s3:PutObject", "bucket/training/datasets/*")
GRANTS = (
    Grant("sqs:ReceiveMessage", QUEUE),
    Grant("s3:PutObject", f"{OBJECTS}/raw/*"),
    Grant("kms:Decrypt", KEY, VIA),
    Grant("kms:GenerateDataKey", KEY, VIA),
)
PREPARER = Role("p", frozenset(), (Grant("s3:PutObject", f"{OBJECTS}/datasets/*"), *GRANTS[2:]), ())


def judge(
    grants: Sequence[Grant] = GRANTS,
    calls: Sequence[ApiCall] = (RECEIVE, WRITE),
    reviewed: Reviewed | None = None,
) -> Verdict:
    """The verdict on a training-fetcher with these grants."""
    roles = {
        "training-fetcher": Role("f", frozenset(), tuple(grants), ()),
        "training-preparer": PREPARER,
    }
    return hold(roles, [*calls, OTHERS], reviewed or Reviewed(), PLACES)


def test_grants_that_fit_are_clean() -> None:
    assert judge().is_clean


def test_a_removed_grant_is_reported() -> None:
    verdict = judge(GRANTS[1:])
    assert verdict.missing == (Line("training-fetcher", "sqs:ReceiveMessage", "sqs:slices"),)
    assert not verdict.unused


def test_an_extra_grant_is_reported() -> None:
    verdict = judge([*GRANTS, Grant("sqs:PurgeQueue", QUEUE)])
    assert verdict.unused == (Line("training-fetcher", "sqs:PurgeQueue", "sqs:slices"),)
    assert not verdict.missing


def test_the_right_action_on_another_resource_is_both() -> None:
    other = Grant("sqs:ReceiveMessage", f"arn:aws:sqs:{HERE}:penstock-prod-lake")
    verdict = judge([other, *GRANTS[1:]])
    assert [line.resource for line in verdict.missing] == ["sqs:slices"]
    assert [line.resource for line in verdict.unused] == ["sqs:lake"]


def test_a_grant_under_another_prefix_does_not_count() -> None:
    assert judge([Grant("sqs:ReceiveMessage", f"arn:aws:sqs:{HERE}:slices"), *GRANTS[1:]]).missing


def test_a_star_that_reaches_what_others_write_is_reported() -> None:
    wide = Grant("s3:PutObject", f"{OBJECTS}/*")
    verdict = judge([GRANTS[0], wide, *GRANTS[2:]])
    assert verdict.too_wide == (Line("training-fetcher", "s3:PutObject", "s3:training/datasets/*"),)
    assert not verdict.missing


def test_a_condition_that_nobody_looked_at_lets_nothing_through() -> None:
    bound = replace(GRANTS[0], conditions=("IpAddress aws:SourceIp",))
    assert [line.action for line in judge([bound, *GRANTS[1:]]).missing] == ["sqs:ReceiveMessage"]


def test_the_customer_key_is_needed_wherever_it_encrypts() -> None:
    missing = judge(GRANTS[:2]).missing
    assert [line.action for line in missing] == ["kms:Decrypt", "kms:GenerateDataKey"]


def test_a_listing_is_allowed_by_its_prefix() -> None:
    listing = ApiCall("training-fetcher", "s3:ListBucket", "bucket/training?prefix=raw/*")
    asking = ("StringLike s3:prefix",)
    right = Grant("s3:ListBucket", OBJECTS, asking, ("raw/*",))
    assert judge([*GRANTS, right], [RECEIVE, WRITE, listing]).is_clean
    wrong = Grant("s3:ListBucket", OBJECTS, asking, ("datasets/*",))
    assert judge([*GRANTS, wrong], [RECEIVE, WRITE, listing]).missing


def test_to_see_that_an_object_is_missing_takes_a_listing_without_conditions() -> None:
    """S3 asks for ListBucket then, but names no prefix: a condition on it cannot hold."""
    looking = ApiCall("training-fetcher", "s3:ListBucket", "bucket/training")
    assert judge([*GRANTS, Grant("s3:ListBucket", OBJECTS)], [RECEIVE, WRITE, looking]).is_clean
    bound = Grant("s3:ListBucket", OBJECTS, ("StringLike s3:prefix",), ("*",))
    assert judge([*GRANTS, bound], [RECEIVE, WRITE, looking]).missing


def test_what_was_reviewed_is_let_pass_until_it_changes() -> None:
    extra = Line("training-fetcher", "sqs:PurgeQueue", "sqs:slices")
    reviewed = Reviewed(unseen=frozenset({extra}))
    granted = [*GRANTS, Grant("sqs:PurgeQueue", QUEUE)]
    assert judge(granted, reviewed=reviewed).is_clean
    assert judge(GRANTS, reviewed=reviewed).stale == (extra,)
    purged = ApiCall("training-fetcher", "sqs:PurgeQueue", "queue/slices")
    assert judge(granted, [RECEIVE, WRITE, purged], reviewed).stale == (extra,)


def test_what_is_called_on_one_machine_alone_is_let_pass_until_it_changes() -> None:
    local = Line("training-fetcher", "sqs:CreateQueue", "sqs:slices")
    reviewed = Reviewed(only_local=frozenset({local}))
    creating = ApiCall("training-fetcher", "sqs:CreateQueue", "queue/slices")
    assert judge(GRANTS, [RECEIVE, WRITE, creating], reviewed).is_clean
    assert judge(GRANTS, reviewed=reviewed).stale == (local,)


def test_a_review_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "reviewed.toml"
    entry = 'roles = ["console"]\nactions = ["xray:PutTraceSegments"]\nresources = ["*"]\n'
    file.write_text(f'[[unseen]]\n{entry}reason = " "\n')
    with pytest.raises(ValueError, match="reason"):
        read_reviewed(file)
    file.write_text(f'[[unseen]]\n{entry}reason = "no X-Ray here"\n')
    assert read_reviewed(file).unseen == {Line("console", "xray:PutTraceSegments", "*")}


@pytest.mark.parametrize(
    ("one", "other", "do"),
    [
        ("arn:*:sqs:*:*:*", "arn:aws:sqs:eu-west-1:1:lake", True),
        ("arn:aws:logs:*:log-group:*:log-stream:*", "arn:aws:logs:e:1:log-group:/x:*", True),
        ("arn:aws:logs:*:log-group:*:log-stream:*", "arn:aws:logs:e:1:log-group:/x", False),
        ("a*c", "ab*", True),
        ("a*c", "b*", False),
        ("*", "", True),
        ("a", "", False),
    ],
)
def test_two_patterns_overlap_where_some_text_is_like_both(one: str, other: str, do: bool) -> None:
    assert overlap(one, other) is do
    assert overlap(other, one) is do


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"},
        {"Effect": "Allow", "NotAction": "sqs:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "NotResource": QUEUE},
    ],
)
def test_statements_that_only_look_like_permissions_are_refused(
    statement: dict[str, Any], prod: Synthesized
) -> None:
    with pytest.raises(ValueError, match="plain"):
        list(grants_in({"Statement": [statement]}, Names(prod)))
