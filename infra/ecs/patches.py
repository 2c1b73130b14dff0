"""Patches of moto: what the templates and the runner need of AWS, and what moto does differently."""

import copy
import functools
import json
import types

import removal
import resources
import updates
import yaml

import moto.cloudformation.parsing as parsing
from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult
from moto.ecs.exceptions import InvalidParameterException
from moto.ecs.models import EC2ContainerServiceBackend
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.moto_api import state_manager
from moto.ssm.models import Parameter


class Template:
    """Fn::Sub as in AWS: only ${ is special, so $$ stays $$."""

    def __init__(self, text):
        self.text = text

    def safe_substitute(self, **values):
        for name, value in values.items():
            self.text = self.text.replace("${" + name + "}", value)
        return self.text


def apply(ecs):
    parsing.string = types.SimpleNamespace(Template=Template)

    # moto changes the status of a task each time it is described. Here the status follows the container.
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**9})

    def run_task(self):
        cluster = self._get_param("cluster", "default")
        subnets = ((self._get_param("networkConfiguration") or {}).get("awsvpcConfiguration") or {}).get("subnets") or []
        strategy = self._get_param("capacityProviderStrategy")
        if strategy and self._get_param("launchType"):
            raise InvalidParameterException("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
        provider = strategy[0]["capacityProvider"] if strategy else "FARGATE"
        token = self._get_param("clientToken")
        request = str(sorted((k, str(self._get_param(k))) for k in ("cluster", "taskDefinition", "overrides", "networkConfiguration")))
        with ecs.lock:
            failure = ecs.capacity(subnets, provider)
            if failure:
                return ActionResult({"tasks": [], "failures": [{"reason": failure}]})
            known = ecs.by_token.get(token) if token else None
            if known and known[1] != request:
                raise InvalidParameterException("The request with the same client token has other parameters.")
            if known:
                return ActionResult({"tasks": [known[0]], "failures": []})
            definition = self.ecs_backend.describe_task_definition(self._get_param("taskDefinition"))
            for container in definition.container_definitions:
                container.setdefault("memoryReservation", 0)  # moto requires it, Fargate does not
                for name in ("environment", "secrets"):  # CloudFormation omits AWS::NoValue, moto keeps null
                    container[name] = [entry for entry in container.get(name) or [] if entry is not None]
            network = self._get_param("networkConfiguration")
            if network:
                network["awsvpcConfiguration"].setdefault("securityGroups", [])
            (task,) = self.ecs_backend.run_task(
                cluster, self._get_param("taskDefinition"), 1, self._get_param("overrides"), self._get_param("startedBy"),
                self._get_param("tags"), "FARGATE", network, self._get_param("group"), self._get_param("platformVersion"),
            )
            task.capacity_provider_name = provider
            if token:
                ecs.by_token[token] = (task, request)
            ecs.start(task, definition)
        return ActionResult({"tasks": [task], "failures": []})

    def describe_tasks(self):
        wanted = self._get_param("tasks", [])
        found = self.ecs_backend.describe_tasks(self._get_param("cluster", "default"), wanted)
        ids = {task.id for task in found}
        failures = [{"arn": arn, "reason": "MISSING"} for arn in wanted if arn.split("/")[-1] not in ids]
        return ActionResult({"tasks": found, "failures": failures})

    def stop_task(self, cluster, name, reason):
        task = next((t for known in self.tasks.values() for t in known.values() if t.id == name.split("/")[-1]), None)
        if task is None:
            raise InvalidParameterException("The referenced task was not found.")
        ecs.stop(task, "UserInitiated", reason or "Task stopped by user")
        return task

    EC2ContainerServiceResponse.run_task = run_task
    EC2ContainerServiceResponse.describe_tasks = describe_tasks
    EC2ContainerServiceBackend.stop_task = stop_task

    register = EC2ContainerServiceBackend.register_task_definition

    def register_task_definition(self, family, container_definitions, *rest, **more):
        known = [c for c in container_definitions or [] if c is not None]  # CloudFormation omits AWS::NoValue, moto keeps null
        return register(self, family, known, *rest, **more)

    EC2ContainerServiceBackend.register_task_definition = register_task_definition

    def update_termination_protection(self):
        stack = self.cloudformation_backend.get_stack(self._get_param("StackName"))
        stack.enable_termination_protection = str(self._get_param("EnableTerminationProtection")).lower() == "true"
        return ActionResult({"StackId": stack.stack_id})

    CloudFormationResponse.update_termination_protection = update_termination_protection
    CloudFormationBackend.validate_template = lambda self, template: []  # AWS checks the syntax only, moto fails for each warning

    make = Parameter.create_from_cloudformation_json.__func__

    def parameter(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        properties = dict(cloudformation_json["Properties"])
        if isinstance(properties.get("Tags"), dict):  # a map in CloudFormation, a list in moto
            properties["Tags"] = [{"Key": k, "Value": v} for k, v in properties["Tags"].items()]
        return make(cls, resource_name, {**cloudformation_json, "Properties": properties}, account_id, region_name, **more)

    Parameter.create_from_cloudformation_json = classmethod(parameter)

    deploy_as_cloudformation_does()
    removal.apply()
    updates.apply()
    sign_as_kms_does()


def deploy_as_cloudformation_does():
    """moto resolves outputs whose condition is false, has none after a change set, does not split or join lists, and makes no repository without a name."""
    from moto.cloudformation.models import Change, ChangeSet, CloudFormationBackend, Stack
    from moto.cloudformation.parsing import OutputMap, ResourceMap
    from moto.cloudformation.utils import yaml_tag_constructor
    from moto.ec2.models import ec2_backends
    from moto.ec2.models.subnets import SubnetRouteTableAssociation
    from moto.ecr.models import Repository
    from moto.s3.models import FakeBucket

    has = OutputMap.outputs.fget

    def outputs(self):
        conditions = self._resource_map.lazy_condition_map
        return [name for name in has(self) if conditions.get(self._output_json_map[name].get("Condition"), True)]

    def exports(self):
        kept = dict(self._output_json_map or {})
        self._output_json_map = {name: kept[name] for name in self.outputs}
        try:
            return all_exports(self)
        finally:
            self._output_json_map = kept

    all_exports = OutputMap.exports.fget
    OutputMap.outputs, OutputMap.exports = property(outputs), property(exports)

    load_parameters = ResourceMap.load_parameters

    def split_defaults(self):
        for slot in (self._template.get("Parameters") or {}).values():
            kind, default = slot.get("Type", "String"), slot.get("Default")
            if (kind == "CommaDelimitedList" or kind.startswith("List<")) and isinstance(default, str):
                slot["Default"] = default.split(",")
        load_parameters(self)

    ResourceMap.load_parameters = split_defaults

    def parameter_list(self):
        hidden = self.resource_map.no_echo_parameter_keys
        joined = lambda v: ",".join(map(str, v)) if isinstance(v, list) else v
        return [{"ParameterKey": k, "ParameterValue": "****" if k in hidden else joined(v)} for k, v in self.resource_map.resolved_parameters.items()]

    Stack.parameter_list = property(parameter_list)

    @functools.lru_cache(maxsize=64)
    def parsed(text):
        yaml.add_multi_constructor("", yaml_tag_constructor, Loader=Loader)
        try:
            return yaml.load(text, Loader=Loader)
        except (yaml.parser.ParserError, yaml.scanner.ScannerError):
            return json.loads(text)

    def parse(self):
        self.template_dict = copy.deepcopy(parsed(self.template))

    # moto reads a template with the slowest parser, several times for each request.
    Loader = getattr(yaml, "CLoader", yaml.Loader)
    Stack.parse_template = staticmethod(lambda text: copy.deepcopy(parsed(text)))
    ChangeSet._parse_template = parse

    resources.register()
    clean = parsing.clean_json

    def clean_json(value, known):
        try:
            return clean(value, known)
        except IndexError:  # the id of a rule on a bus of its own is bus|rule in AWS, and rule in moto
            return clean_json(value["Fn::Select"][1], known)[-1]

    parsing.clean_json = clean_json

    decide = FakeBucket.get_permission

    def get_permission(self, action, resource):
        """moto takes no notice of conditions: a denial of requests without TLS would deny all of them."""
        whole = self.policy
        if whole is not None:
            document = json.loads(whole)
            document["Statement"] = [s for s in document["Statement"] if "aws:SecureTransport" not in json.dumps(s.get("Condition"))]
            self.policy = json.dumps(document).encode() if document["Statement"] else None
        try:
            return decide(self, action, resource)
        finally:
            self.policy = whole

    FakeBucket.get_permission = get_permission

    def diff(self):
        found = self.stack.resource_map.build_resource_diff(self.template_dict, self.parameters)
        both = {**self.stack.template_dict.get("Resources", {}), **self.template_dict["Resources"]}
        return [Change(action=action, logical_resource_id=name, resource_type=both[name]["Type"]) for action, names in found.items() for name in names]

    ChangeSet.diff = diff

    execute = CloudFormationBackend.execute_change_set

    def execute_change_set(self, change_set_name, stack_name=None):
        execute(self, change_set_name, stack_name)
        change_set = self.describe_change_set(change_set_name)
        stack = self.stacks[change_set.stack_id]
        stack.parameters, stack.template = change_set.parameters, change_set.template
        stack._parse_template()
        stack.resource_map._template = stack.template_dict
        stack.output_map = stack._create_output_map()

    CloudFormationBackend.execute_change_set = execute_change_set

    associate = SubnetRouteTableAssociation.create_from_cloudformation_json.__func__

    def association(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        """moto keeps the association to itself."""
        made = associate(cls, resource_name, cloudformation_json, account_id, region_name, **more)
        ec2_backends[account_id][region_name].associate_route_table(made.route_table_id, subnet_id=made.subnet_id)
        return made

    SubnetRouteTableAssociation.create_from_cloudformation_json = classmethod(association)
    make_bucket = FakeBucket.create_from_cloudformation_json.__func__

    def bucket(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        """moto makes a bucket without versions and rules."""
        made = make_bucket(cls, resource_name, cloudformation_json, account_id, region_name, **more)
        properties = cloudformation_json.get("Properties") or {}
        made.versioning_status = (properties.get("VersioningConfiguration") or {}).get("Status")
        rules = (properties.get("LifecycleConfiguration") or {}).get("Rules") or []
        if rules:
            made.set_lifecycle([rule_of(rule) for rule in rules])
        return made

    def rule_of(p):
        tags = p.get("TagFilters") or []
        scope = {"And": {"Prefix": p.get("Prefix", ""), "Tag": tags if len(tags) > 1 else tags[0]}} if tags else {"Prefix": p.get("Prefix", "")}
        rule = {"ID": p["Id"], "Status": p["Status"], "Filter": scope}
        if "ExpirationInDays" in p:
            rule["Expiration"] = {"Days": str(p["ExpirationInDays"])}
        elif "ExpiredObjectDeleteMarker" in p:
            rule["Expiration"] = {"ExpiredObjectDeleteMarker": "true"}
        for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
            if p.get(name):
                rule[name] = {k: str(v) for k, v in p[name].items()}
        return rule

    FakeBucket.create_from_cloudformation_json = classmethod(bucket)

    create = Repository.create_from_cloudformation_json.__func__

    def repository(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        return create(cls, resource_name.lower(), cloudformation_json, account_id, region_name, **more)

    Repository.create_from_cloudformation_json = classmethod(repository)


def sign_as_kms_does():
    """moto digests a message once more that is a digest already, takes messages of any length, and names keys by their ids."""
    import base64

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
    from moto.kms.exceptions import ValidationException
    from moto.kms.responses import KmsResponse

    sign_raw, get_public_key = KmsResponse.sign, KmsResponse.get_public_key

    def sign(self):
        algorithm, message = self._get_param("SigningAlgorithm"), self._get_param("Message")
        if self._get_param("MessageType") != "DIGEST":
            if len(message) > 4096:
                raise ValidationException("1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length less than or equal to 4096")
            return sign_raw(self)
        digest = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}[algorithm[-3:]]()
        if len(message) != digest.digest_size:
            raise ValidationException("Digest is invalid length for algorithm " + algorithm + ".")
        key = self.kms_backend.describe_key(self._get_param("KeyId"))
        if algorithm not in key.signing_algorithms:
            raise ValidationException(algorithm + " is not a valid algorithm of " + key.key_spec + ".")
        private, how = key.private_key.private_key, utils.Prehashed(digest)
        signature = private.sign(message, ec.ECDSA(how)) if algorithm.startswith("ECDSA") else private.sign(message, padding.PKCS1v15(), how)
        return json.dumps({"KeyId": key.arn, "Signature": base64.b64encode(signature).decode(), "SigningAlgorithm": algorithm})

    def public_key(self):
        answer = json.loads(get_public_key(self))
        answer["KeyId"] = self.kms_backend.describe_key(answer["KeyId"]).arn
        return json.dumps(answer)

    KmsResponse.sign, KmsResponse.get_public_key = sign, public_key
