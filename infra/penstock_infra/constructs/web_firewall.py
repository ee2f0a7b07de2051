"""What is refused before it reaches a task: known attacks, bad addresses, floods."""

import json
from collections.abc import Sequence
from typing import TypeAlias

from aws_cdk import Aws
from aws_cdk import aws_kms as kms
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from penstock_infra.config import Deployment
from penstock_infra.constructs.log_groups import log_group

GATEWAY_PATH = "/v1/readings"
_Rule: TypeAlias = waf.CfnWebACL.RuleProperty
_Statement: TypeAlias = waf.CfnWebACL.StatementProperty
_TOO_MANY = "too-many"


class WebFirewall(Construct):
    """A web ACL in front of the load balancer."""

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, key: kms.IKey, protects: str
    ) -> None:
        """Create it and put it before the resource with the ARN `protects`."""
        super().__init__(scope, name)
        self.acl = waf.CfnWebACL(
            self,
            "acl",
            scope="REGIONAL",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visible(f"{deployment.name_prefix}-acl"),
            custom_response_bodies={
                _TOO_MANY: waf.CfnWebACL.CustomResponseBodyProperty(
                    content_type="APPLICATION_JSON",
                    content=json.dumps({"error": "TooManyRequests", "detail": "slow down"}),
                )
            },
            rules=[
                _rate_rule(0, deployment.requests_per_five_minutes),
                _managed(1, "AWSManagedRulesAmazonIpReputationList"),
                _managed(2, "AWSManagedRulesKnownBadInputsRuleSet", people_only=True),
                # A body of readings is long and full of paths; its own parser judges it.
                _managed(3, "AWSManagedRulesCommonRuleSet", people_only=True),
            ],
        )
        waf.CfnWebACLAssociation(
            self, "association", resource_arn=protects, web_acl_arn=self.acl.attr_arn
        )
        self._add_log(deployment, key)

    def _add_log(self, deployment: Deployment, key: kms.IKey) -> None:
        # AWS takes no other beginning of the name than this.
        name = f"aws-waf-logs-{deployment.name_prefix}"
        group = log_group(self, "logs", deployment=deployment, key=key, path=name)
        logging = waf.CfnLoggingConfiguration(
            self,
            "logging",
            resource_arn=self.acl.attr_arn,
            log_destination_configs=[
                # Not the group's own ARN, which ends in `:*`: that is refused here.
                f"arn:{Aws.PARTITION}:logs:{Aws.REGION}:{Aws.ACCOUNT_ID}:log-group:{name}"
            ],
            redacted_fields=[
                waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
                for header in ("authorization", "x-api-key")
            ],
        )
        logging.node.add_dependency(group)


def _rate_rule(priority: int, limit: int) -> _Rule:
    """Answer floods as the services do: 429, JSON, and when to come again."""
    respond = waf.CfnWebACL.CustomResponseProperty(
        response_code=429,
        custom_response_body_key=_TOO_MANY,
        response_headers=[waf.CfnWebACL.CustomHTTPHeaderProperty(name="Retry-After", value="30")],
    )
    return _Rule(
        name="rate",
        priority=priority,
        statement=_Statement(
            rate_based_statement=waf.CfnWebACL.RateBasedStatementProperty(
                limit=limit, aggregate_key_type="IP", evaluation_window_sec=300
            )
        ),
        action=waf.CfnWebACL.RuleActionProperty(
            block=waf.CfnWebACL.BlockActionProperty(custom_response=respond)
        ),
        visibility_config=_visible("rate"),
    )


def _managed(priority: int, name: str, *, people_only: bool = False) -> _Rule:
    return _Rule(
        name=name,
        priority=priority,
        statement=_Statement(
            managed_rule_group_statement=waf.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS",
                name=name,
                scope_down_statement=_not_below([GATEWAY_PATH]) if people_only else None,
            )
        ),
        override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
        visibility_config=_visible(name),
    )


def _not_below(paths: Sequence[str]) -> _Statement:
    (path,) = paths
    below = _Statement(
        byte_match_statement=waf.CfnWebACL.ByteMatchStatementProperty(
            field_to_match=waf.CfnWebACL.FieldToMatchProperty(uri_path={}),
            positional_constraint="STARTS_WITH",
            search_string=path,
            text_transformations=[
                waf.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")
            ],
        )
    )
    return _Statement(not_statement=waf.CfnWebACL.NotStatementProperty(statement=below))


def _visible(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, sampled_requests_enabled=False, metric_name=name
    )
