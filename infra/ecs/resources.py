"""Resources that moto has, but does not make for CloudFormation: as much of them as the templates use."""

import json
import secrets

from moto.backends import get_backend
from moto.core.common_models import CloudFormationModel
from moto.iam.models import SERVICE_NAME_CONVERSION


def of(service, account_id, region_name):
    backends = get_backend(service)[account_id]
    return backends["aws"] if service in ("iam", "s3") else backends[region_name]


def alarm(name, p, account_id, region_name):
    """An alarm looks at a metric, or at several."""
    of("cloudwatch", account_id, region_name).put_metric_alarm(
        name=name, namespace=p.get("Namespace"), metric_name=p.get("MetricName"), comparison_operator=p["ComparisonOperator"],
        evaluation_periods=p["EvaluationPeriods"], period=p.get("Period"), threshold=p["Threshold"], statistic=p.get("Statistic"),
        description=p.get("AlarmDescription"), dimensions=p.get("Dimensions") or [], alarm_actions=p.get("AlarmActions") or [],
        treat_missing_data=p.get("TreatMissingData"),
    )
    return name, {"Arn": f"arn:aws:cloudwatch:{region_name}:{account_id}:alarm:{name}"}


def no_alarm(name, account_id, region_name):
    of("cloudwatch", account_id, region_name).delete_alarms([name])


def bucket_policy(name, p, account_id, region_name):
    of("s3", account_id, region_name).get_bucket(p["Bucket"]).policy = json.dumps(p["PolicyDocument"]).encode()
    return p["Bucket"], {}


def subscription(name, p, account_id, region_name):
    made = of("sns", account_id, region_name).subscribe(p["TopicArn"], p["Endpoint"], p["Protocol"])
    return made.arn, {}


def secret(name, p, account_id, region_name):
    if name.startswith("arn:"):
        return name, {}  # an update changes nothing of it
    length = (p.get("GenerateSecretString") or {}).get("PasswordLength", 32)
    arn = of("secretsmanager", account_id, region_name).create_secret(
        name=name, secret_string=secrets.token_hex(length // 2), secret_binary=None, description=p.get("Description"), tags=p.get("Tags"),
        kms_key_id=None, client_request_token=None, replica_regions=[], force_overwrite=False,
    )
    return json.loads(arn)["ARN"], {}


def function_url(name, p, account_id, region_name):
    arn = p["TargetFunctionArn"]
    made = of("lambda", account_id, region_name).create_function_url_config(arn, {"AuthType": p["AuthType"]})
    return arn, {"FunctionUrl": made.url + "/", "FunctionArn": arn}


def service_linked_role(name, p, account_id, region_name):
    SERVICE_NAME_CONVERSION["ecs"] = "ECS"  # as AWS has it in the role's name
    iam = of("iam", account_id, region_name)
    known = [role.name for role in iam.roles.values() if role.name == "AWSServiceRoleForECS"]
    return (known[0] if known else iam.create_service_linked_role(p["AWSServiceName"], "", "").name), {}


def oidc_provider(name, p, account_id, region_name):
    iam = of("iam", account_id, region_name)
    arn = f"arn:aws:iam::{account_id}:oidc-provider/{p['Url'].removeprefix('https://')}"
    if arn not in iam.open_id_providers:
        iam.create_open_id_connect_provider(p["Url"], p.get("ThumbprintList") or [], p.get("ClientIdList") or [], [])
    return arn, {}


def no_oidc_provider(arn, account_id, region_name):
    of("iam", account_id, region_name).delete_open_id_connect_provider(arn)


def kept(id, account_id, region_name):
    """It goes with what it belongs to, or is kept when its stack is deleted."""


TYPES = {
    "AWS::CloudWatch::Alarm": (alarm, no_alarm),
    "AWS::IAM::OIDCProvider": (oidc_provider, no_oidc_provider),
    "AWS::IAM::ServiceLinkedRole": (service_linked_role, kept),
    "AWS::Lambda::Url": (function_url, kept),
    "AWS::S3::BucketPolicy": (bucket_policy, kept),
    "AWS::SNS::Subscription": (subscription, kept),
    "AWS::SecretsManager::Secret": (secret, kept),
}


def register():
    """moto knows the direct subclasses of CloudFormationModel, by the names of their modules."""
    return [type(name.replace("::", ""), (CloudFormationModel,), members(name, *functions)) for name, functions in TYPES.items()]


def members(name, make, remove):
    def create(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        properties = {k: v for k, v in (cloudformation_json.get("Properties") or {}).items() if v is not None}
        resource = cls()
        resource.physical_resource_id, resource.attributes = make(resource_name, properties, account_id, region_name)
        return resource

    def update(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        return create(cls, original_resource.physical_resource_id, cloudformation_json, account_id, region_name)

    return {
        "__module__": "moto.cloudformation.models",
        "cloudformation_name_type": staticmethod(lambda: ""),
        "cloudformation_type": staticmethod(lambda: name),
        "has_cfn_attr": classmethod(lambda cls, attr: True),
        "get_cfn_attribute": lambda self, attr: self.attributes.get(attr, self.physical_resource_id),
        "create_from_cloudformation_json": classmethod(create),
        "update_from_cloudformation_json": classmethod(update),
        "delete_from_cloudformation_json": classmethod(lambda cls, id, json, account_id, region_name: remove(id, account_id, region_name)),
    }
