"""What claims whose signature holds are worth, and which settings are refused at start."""

import json

import pytest
from penstock.domain.time import Micros
from penstock.runtime.auth import Caller, Refusal
from penstock.runtime.oidc import judge_claims
from penstock.runtime.settings import CoreSettings, OidcSettings
from pydantic import ValidationError

from tests.fixtures.issuer import CLIENT, NOW, LittleIssuer

ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI"
Changes = dict[str, object]
RULES = OidcSettings(issuer=ISSUER, audience=f"{CLIENT}, penstock-web")


def judged(changes: Changes, rules: OidcSettings = RULES) -> Caller | Refusal:
    claims = LittleIssuer(ISSUER).claims(**changes)
    return judge_claims(claims, rules, Micros(NOW * 1_000_000))


def refused(changes: Changes, rules: OidcSettings = RULES) -> Refusal:
    refusal = judged(changes, rules)
    assert isinstance(refusal, Refusal)
    return refusal


def test_a_caller_is_named_by_email_and_subject() -> None:
    assert judged({}) == Caller("anna@example.com (oidc:7f3c)", "viewer")
    assert judged({"email": None}) == Caller("oidc:7f3c", "viewer")


@pytest.mark.parametrize(
    "doubtful",
    [
        {"email_verified": False}, {"email_verified": "false"}, {"email": 7}, {"email": "a\nb@c"},
        {"email": "eve@x (oidc:anna)"}, {"email": "e" * 300 + "@x"}, {"email": "\u202eanna@x"},
    ],
)  # fmt: skip
def test_an_email_that_may_be_anybodys_is_left_out_of_the_audit(
    doubtful: dict[str, object],
) -> None:
    assert judged(doubtful) == Caller("oidc:7f3c", "viewer")


@pytest.mark.parametrize("subject", [None, "", 7, "a\nb", "s" * 256])
def test_without_a_subject_there_is_nobody(subject: object) -> None:
    assert "sub" in refused({"sub": subject}).detail


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["viewer"], "viewer"), (["viewer", "admin", "operator"], "admin"),
        ("operator", "operator"), (["other", 7, None, "operator"], "operator"),
    ],
)  # fmt: skip
def test_the_highest_role_of_the_groups_counts(groups: object, role: str) -> None:
    caller = judged({"cognito_groups": groups})
    assert isinstance(caller, Caller)
    assert caller.role == role


@pytest.mark.parametrize("groups", [None, [], ["Admin"], {"admin": True}, "viewer admin", 7])
def test_who_has_no_role_is_told_which_groups_give_one(groups: object) -> None:
    refusal = refused({"cognito_groups": groups})
    assert refusal.status == 403
    assert "cognito:groups names none of the groups admin, operator, viewer" in refusal.detail


def test_groups_of_other_issuers_are_found_and_mapped() -> None:
    rules = RULES.model_copy(
        update={"groups_claim": "realm_access.roles", "role_by_group": {"plant-ops": "operator"}}
    )
    roles = {"roles": ["plant-ops", "admin"]}
    caller = judged({"realm_access": roles}, rules)
    assert isinstance(caller, Caller)
    assert caller.role == "operator", "a map of one's own takes the place of the default"
    assert refused({"realm_access": ["plant-ops"]}, rules).status == 403
    assert refused({"realm_access": None}, rules).status == 403
    dotted = RULES.model_copy(update={"groups_claim": "https://example.com/roles"})
    assert isinstance(judged({"https://example.com/roles": ["viewer"]}, dotted), Caller)


@pytest.mark.parametrize(
    "issuer", [None, f"{ISSUER}/", ISSUER.upper(), "https://evil.test", [ISSUER]]
)
def test_another_issuer_is_refused_to_the_letter(issuer: object) -> None:
    refusal = refused({"iss": issuer})
    assert (refusal.status, refusal.detail) == (401, f"the token is not of the issuer {ISSUER}")


@pytest.mark.parametrize(
    "audience",
    [
        {}, {"aud": ["other", CLIENT]}, {"aud": "penstock-web"},
        {"aud": None, "token_use": "access", "client_id": CLIENT},
        {"token_use": None}, {"token_use": "access"},
    ],
)  # fmt: skip
def test_a_token_for_one_of_our_clients_is_taken(audience: dict[str, object]) -> None:
    assert isinstance(judged(audience), Caller)


@pytest.mark.parametrize(
    "audience",
    [
        {"aud": None}, {"aud": "other"}, {"aud": []}, {"aud": ["other"]}, {"aud": {CLIENT: 1}},
        {"aud": None, "token_use": "access", "client_id": "other"},
        {"aud": None, "token_use": "id", "client_id": CLIENT},
        {"aud": None, "token_use": None, "client_id": CLIENT},
        {"aud": "other", "token_use": "access", "client_id": CLIENT},
    ],
)  # fmt: skip
def test_a_token_for_another_application_is_refused(audience: dict[str, object]) -> None:
    assert "another application" in refused(audience).detail


@pytest.mark.parametrize(
    ("late", "is_taken"), [(-1, True), (29, True), (30, False), (9_999, False)]
)
def test_a_token_ends_at_its_time_with_half_a_minute_for_clocks(late: int, is_taken: bool) -> None:
    found = judged({"exp": NOW - late})
    assert isinstance(found, Caller) is is_taken
    if isinstance(found, Refusal):
        assert found.detail.startswith("the token expired at 2026-09-2")


@pytest.mark.parametrize(
    ("early", "is_taken"), [(-1, True), (30, True), (31, False), (9_999, False)]
)
def test_a_token_does_not_hold_before_its_time(early: int, is_taken: bool) -> None:
    assert isinstance(judged({"nbf": NOW + early}), Caller) is is_taken


@pytest.mark.parametrize("end", [None, "soon", True, -1, -1e300, 1e300, 2**70, [NOW + 60]])
def test_an_end_that_is_no_time_is_no_end(end: object) -> None:
    assert "(exp)" in refused({"exp": end}).detail
    if end is not None:
        assert "(nbf)" in refused({"nbf": end}).detail


@pytest.mark.parametrize(
    ("oidc", "says"),
    [
        ({"issuer": "http://idp.example.com", "audience": "a"}, "https"),
        ({"issuer": "idp.example.com", "audience": "a"}, "https"),
        ({"issuer": "https://user:pw@idp.example.com", "audience": "a"}, "https"),
        ({"issuer": "https://idp.example.com?x=1", "audience": "a"}, "https"),
        ({"issuer": "file:///etc/passwd", "audience": "a"}, "https"),
        ({"issuer": ISSUER}, "audience"),
        ({"issuer": ISSUER, "audience": " , "}, "audience"),
        ({"issuer": ISSUER, "audience": "a", "role_by_group": {"x": "root"}}, "role_by_group"),
    ],
)
def test_settings_that_would_let_in_too_many_do_not_start(
    oidc: dict[str, object], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        CoreSettings.model_validate({"oidc": oidc})


def test_variables_name_the_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CoreSettings().oidc.issuer == "", "off unless it is asked for"
    monkeypatch.setenv("PENSTOCK_OIDC__ISSUER", ISSUER)
    monkeypatch.setenv("PENSTOCK_OIDC__AUDIENCE", "one,two")
    monkeypatch.setenv("PENSTOCK_OIDC__GROUPS_CLAIM", "roles")
    monkeypatch.setenv("PENSTOCK_OIDC__ROLE_BY_GROUP", json.dumps({"plant-admins": "admin"}))
    oidc = CoreSettings().oidc
    assert (oidc.issuer, oidc.groups_claim) == (ISSUER, "roles")
    assert oidc.audiences == {"one", "two"}
    assert oidc.role_by_group == {"plant-admins": "admin"}
