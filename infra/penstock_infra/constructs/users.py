"""Who people are: a Cognito user pool with a group for each role of the services."""

from typing import get_args

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_cognito as cognito
from constructs import Construct
from penstock.runtime.settings import Role

from penstock_infra.config import Deployment

ROLES: tuple[str, ...] = get_args(Role)


class Users(Construct):
    """The pool and the client that the page and the `penstock` command sign in with."""

    def __init__(self, scope: Construct, name: str, *, deployment: Deployment) -> None:
        """Create the pool; people are added to it by an administrator."""
        super().__init__(scope, name)
        self.pool = self._add_pool(deployment.name_prefix, is_protected=deployment.protected)
        self.issuer = f"https://cognito-idp.{Aws.REGION}.{Aws.URL_SUFFIX}/{self.pool.user_pool_id}"
        """Whose tokens the services take: the `iss` of each, to the letter."""
        for position, role in enumerate(reversed(ROLES)):
            cognito.CfnUserPoolGroup(
                self,
                role,
                user_pool_id=self.pool.user_pool_id,
                group_name=role,
                precedence=position,
                description=f"Role {role} of {deployment.name_prefix}",
            )
        self.client = self._add_client(deployment.domain_name)
        self.domain = self.pool.add_domain(
            "domain",
            cognito_domain=cognito.CognitoDomainOptions(domain_prefix=deployment.name_prefix),
        )

    def _add_pool(self, prefix: str, *, is_protected: bool) -> cognito.UserPool:
        return cognito.UserPool(
            self,
            "pool",
            user_pool_name=prefix,
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            mfa=cognito.Mfa.REQUIRED,
            mfa_second_factor=cognito.MfaSecondFactor(sms=False, otp=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            password_policy=cognito.PasswordPolicy(
                min_length=14,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
                temp_password_validity=Duration.days(3),
            ),
            deletion_protection=is_protected,
            removal_policy=RemovalPolicy.RETAIN if is_protected else RemovalPolicy.DESTROY,
        )

    def _add_client(self, domain_name: str | None) -> cognito.UserPoolClient:
        back = [f"https://{domain_name}/signed-in"] if domain_name else []
        return self.pool.add_client(
            "client",
            generate_secret=False,  # it would be in everybody's browser
            prevent_user_existence_errors=True,
            auth_flows=cognito.AuthFlow(user_srp=True),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL],
                callback_urls=[*back, "http://localhost:8400/signed-in"],
            ),
            access_token_validity=Duration.hours(1),
            refresh_token_validity=Duration.days(7),
        )
