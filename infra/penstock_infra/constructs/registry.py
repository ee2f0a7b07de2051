"""Repositories of images: one for each image that commands run, and one for each algorithm."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from constructs import Construct
from penstock import model_types
from penstock.model_type import ModelType
from penstock.plugins import discover
from penstock.resources import COMMANDS

from penstock_infra.config import COLLECTOR, MIGRATIONS, Deployment

IMAGES = (*dict.fromkeys(command.image for command in COMMANDS), MIGRATIONS, COLLECTOR)
ALGORITHMS = tuple(sorted(discover(model_types, attribute="MODEL_TYPE", kind=ModelType)))
_KEPT_IMAGES = 50


class Registry(Construct):
    """Repositories by image, and by algorithm; a tag once pushed never changes."""

    def __init__(
        self, scope: Construct, name: str, *, deployment: Deployment, key: kms.IKey
    ) -> None:
        """Create every repository."""
        super().__init__(scope, name)
        self._deployment = deployment
        self._key = key
        self.images = {image: self._add(image) for image in IMAGES}
        self.algorithms = {one: self._add(f"algorithm-{one}") for one in ALGORITHMS}

    def image_uri(self, image: str) -> str:
        """Name of an image with its tag, as tasks pull it."""
        return self.images[image].repository_uri_for_tag(self._deployment.tag_of(image))

    def algorithm_uris(self) -> dict[str, str]:
        """Image by algorithm, as SageMaker pulls it."""
        tag = self._deployment.image_tag
        return {
            name: repository.repository_uri_for_tag(tag)
            for name, repository in self.algorithms.items()
        }

    def _add(self, image: str) -> ecr.Repository:
        is_protected = self._deployment.protected
        return ecr.Repository(
            self,
            image,
            repository_name=f"{self._deployment.name_prefix}/{image}",
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=self._key,
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=_KEPT_IMAGES)],
            removal_policy=RemovalPolicy.RETAIN if is_protected else RemovalPolicy.DESTROY,
            empty_on_delete=not is_protected,
        )
