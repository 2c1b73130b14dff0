"""Images of ECR, which are in a registry: which one a tag is, who may pull it, and where its layers are."""

import re

import iam
from drivers import not_pulled
from moto.core.responses import ActionResult
from moto.ecr.models import ecr_backends
from moto.ecr.responses import ECRResponse

REFERENCE = re.compile(r"(?P<host>(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[^.]+)\.[^/]+)/(?P<name>[^:@]+):(?P<tag>[^@]+)")


def resolve(image):
    """The image with its digest, as the tag is in ECR now. Images of other registries stay as they are."""
    found = REFERENCE.fullmatch(image)
    if found is None:
        return image
    repository = ecr_backends[found["account"]][found["region"]].repositories.get(found["name"])
    for one in repository.images if repository else []:
        if found["tag"] in one.image_tags:
            return f"{found['host']}/{found['name']}@{one.get_image_digest()}"
    raise not_pulled(image, "not found")


def may_pull(task, image):
    """The execution role needs rights to pull an image of ECR."""
    found, arn = REFERENCE.fullmatch(image), getattr(task.definition, "execution_role_arn", None)
    if found is None or arn not in iam.roles:
        return
    role, repository = iam.session(arn), f"arn:aws:ecr:{found['region']}:{found['account']}:repository/{found['name']}"
    for action, resource in (("GetAuthorizationToken", "*"), ("BatchGetImage", repository), ("GetDownloadUrlForLayer", repository)):
        if not iam.allows(role, "ecr:" + action, resource):
            raise not_pulled(image, f"{arn} is not authorized to perform: ecr:{action} on resource: {resource}")


def serve_layers(address):
    """Layers are at an address of the registry that takes no login, as those of ECR are at signed ones."""

    def get_download_url_for_layer(self):
        name, digest = self._get_param("repositoryName"), self._get_param("layerDigest")
        return ActionResult({"downloadUrl": f"{address}/v2/{name}/blobs/{digest}", "layerDigest": digest})

    ECRResponse.get_download_url_for_layer = get_download_url_for_layer
