"""Permissions, decided by the policies of the deployed templates. moto lets everything through.

What a role may do is decided for the roles that a template has made, so for tasks and for what they assume: by inline, managed
and attached policies, with conditions and tags. Other callers may do everything, as in moto."""

import fnmatch
import io
import json
import re
import types
import urllib.parse

from moto.ecs.models import TaskDefinition, ecs_backends
from moto.iam.models import InlinePolicy, ManagedPolicy, Role
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse

roles, made, managed, attached, sessions = {}, {}, {}, [], {}  # properties and roles by ARN; policies by ARN; (account, roles, policy); by key
denied = []  # decisions against a role, for tests to read


def session(arn, tags=()):
    return types.SimpleNamespace(arn=arn, account=arn.split(":")[4], tags=dict(tags))


def statements(arn):
    properties = roles[arn]
    documents = [p["PolicyDocument"] for p in properties.get("Policies") or []]
    documents += [managed[m] for m in properties.get("ManagedPolicyArns") or [] if m in managed]
    documents += [document for account, names, document in attached if account == arn.split(":")[4] and arn.split("/")[-1] in names]
    return [s for document in documents for s in listed(document["Statement"]) if s]  # CloudFormation omits AWS::NoValue, moto keeps null


def listed(value):
    return value if isinstance(value, list) else [value]


def like(pattern, text, variables):
    """IAM's patterns have * and ?, and nothing else of the shell's. A variable without a value matches nothing."""
    missing = [name for name in re.findall(r"\$\{([^}]+)\}", pattern) if name not in variables]
    if missing:
        return False
    for name, value in variables.items():
        pattern = pattern.replace("${" + name + "}", value)
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def condition(operator, key, wanted, context, variables):
    values = listed(context[key]) if key in context else []
    kind = operator.rsplit(":", 1)[-1]
    if kind == "Null":
        return (not values) == (str(listed(wanted)[0]).lower() == "true")
    if kind not in ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "Bool"):
        raise NotImplementedError(f"the condition {operator}")
    meets = [any(like(str(w), str(v), variables) if kind != "StringEquals" else resolved(str(w), variables) == str(v) for w in listed(wanted)) for v in values]
    return all(meets) if operator.startswith("ForAllValues:") else any(meets)


def resolved(text, variables):
    return re.sub(r"\$\{([^}]+)\}", lambda m: variables.get(m[1], m[0]), text)


def matches(statement, action, resource, context, variables):
    if action.lower() not in [a.lower() for a in listed(statement["Action"])]:
        return False
    if "Resource" in statement and not any(like(r, resource, variables) for r in listed(statement["Resource"])):
        return False
    conditions = statement.get("Condition") or {}
    return all(condition(o, k, w, context, variables) for o, keys in conditions.items() for k, w in keys.items())


def allows(caller, action, resource, context=()):
    """Whether a session of a role may do something to a resource. An explicit denial wins."""
    yes = decision(caller, action, resource, context) == {"Allow"}
    if not yes:
        denied.append({"role": caller.arn, "action": action, "resource": resource, "context": dict(context)})
    return yes


def decision(caller, action, resource, context):
    own = roles[caller.arn].get("Tags") or []
    tags = {t["Key"]: t["Value"] for t in (own if isinstance(own, list) else [])} | caller.tags
    variables = {f"aws:PrincipalTag/{k}": v for k, v in tags.items()}
    return {s["Effect"] for s in statements(caller.arn) if matches(s, action, resource, dict(context) | variables, variables)}


def trusts(arn, caller, external_id, tags):
    """Whether the trust policy of a role lets a session assume it."""
    document = json.loads(made[arn].assume_role_policy_document)
    context = {f"aws:RequestTag/{k}": v for k, v in tags.items()}
    if tags:
        context["aws:TagKeys"] = list(tags)
    if external_id:
        context["sts:ExternalId"] = external_id
    actions = ["sts:AssumeRole"] + (["sts:TagSession"] if tags else [])
    return all(
        any(caller.arn in listed(s["Principal"].get("AWS", [])) and s["Effect"] == "Allow" and matches(s, a, arn, context, {}) for s in listed(document["Statement"]))
        for a in actions
    )


def of_s3(method, path, query, headers, body):
    """Yields what a request to S3 is, as (action, resource, context)."""
    bucket, _, key = path.lstrip("/").partition("/")
    arn = "arn:aws:s3:::" + bucket + ("/" + key if key else "")
    version = "Version" if "versionId" in query else ""
    if not key:
        prefix = {"s3:prefix": query["prefix"][0]} if "prefix" in query else {}
        if method == "POST" and "delete" in query:
            for name in re.findall(r"<Key>(.*?)</Key>", body):
                yield "s3:DeleteObject", f"{arn}/{name}", {}
        elif "uploads" in query:
            yield "s3:ListBucketMultipartUploads", arn, prefix
        elif method == "HEAD" or "list-type" in query or not query or "prefix" in query:
            yield "s3:ListBucket", arn, prefix
        else:
            yield f"s3:{method.title()}Bucket{'/'.join(query)}", arn, {}
    elif "tagging" in query:
        tags = dict(re.findall(r"<Key>(.*?)</Key><Value>(.*?)</Value>", body))
        yield f"s3:{method.title()}Object{version}Tagging", arn, {f"s3:RequestObjectTag/{k}": v for k, v in tags.items()}
    elif method in ("GET", "HEAD"):
        yield f"s3:GetObject{version}", arn, {}
    elif method == "DELETE":
        yield ("s3:AbortMultipartUpload" if "uploadId" in query else f"s3:DeleteObject{version}"), arn, {}
    else:
        yield "s3:PutObject", arn, {}
        if "x-amz-tagging" in headers:
            tags = dict(urllib.parse.parse_qsl(headers["x-amz-tagging"]))
            yield "s3:PutObjectTagging", arn, {f"s3:RequestObjectTag/{k}": v for k, v in tags.items()}
        if "x-amz-copy-source" in headers:
            yield "s3:GetObject", "arn:aws:s3:::" + urllib.parse.unquote(headers["x-amz-copy-source"]).lstrip("/").split("?")[0], {}


def of_json(service, operation, request, account, region):
    here = f"{region}:{account}"
    if service == "secretsmanager" and "SecretId" in request:
        yield f"secretsmanager:{operation}", secret(request["SecretId"], account, region), {}
    elif operation == "BatchGetSecretValue":
        yield "secretsmanager:BatchGetSecretValue", "*", {}
        for name in request.get("SecretIdList", []):
            yield "secretsmanager:GetSecretValue", secret(name, account, region), {}
    elif service == "ssm" and ("Names" in request or "Name" in request):
        for name in request.get("Names") or [request["Name"]]:
            yield f"ssm:{operation}", name if name.startswith("arn:") else f"arn:aws:ssm:{here}:parameter/{name.lstrip('/')}", {}
    elif service == "ecs" and operation == "RunTask":
        yield from of_run_task(request, account, region)
    elif service == "dynamodb" and "TableName" in request:
        key = (request.get("Key") or request.get("Item") or {}).get("id", {}).get("S")
        yield f"dynamodb:{operation}", f"arn:aws:dynamodb:{here}:table/{request['TableName']}", {"dynamodb:LeadingKeys": [key]} if key else {}
    elif service == "events" and operation == "PutEvents":
        for entry in request["Entries"]:
            bus = entry.get("EventBusName", "default")
            yield "events:PutEvents", bus if bus.startswith("arn:") else f"arn:aws:events:{here}:event-bus/{bus}", {"events:source": [entry["Source"]], "events:detail-type": [entry["DetailType"]]}
    elif service == "ecs" and "tasks" in request:
        cluster = request.get("cluster", "default")
        context = {"ecs:cluster": cluster if cluster.startswith("arn:") else f"arn:aws:ecs:{here}:cluster/{cluster}"}
        for name in request["tasks"]:
            yield f"ecs:{operation}", name, context
    else:
        yield f"{service}:{operation}", "*", {}


def of_run_task(request, account, region):
    """A task is started with rights that its caller must be allowed to pass on: those of its definition, or of the request."""
    cluster, name = request.get("cluster", "default"), request["taskDefinition"].split("/")[-1]
    here, overrides = f"{region}:{account}", request.get("overrides") or {}
    cluster = cluster if cluster.startswith("arn:") else f"arn:aws:ecs:{here}:cluster/{cluster}"
    definition = ecs_backends[account][region].describe_task_definition(name)
    yield "ecs:RunTask", definition.arn, {"ecs:cluster": cluster}
    for role in (overrides.get("taskRoleArn") or definition.task_role_arn, overrides.get("executionRoleArn") or definition.execution_role_arn):
        if role:
            yield "iam:PassRole", role, {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    if request.get("tags") or request.get("propagateTags") not in (None, "NONE") or request.get("enableECSManagedTags"):
        yield "ecs:TagResource", f"arn:aws:ecs:{here}:task/{cluster.split('/')[-1]}/0", {"ecs:CreateAction": "RunTask"}


def secret(name, account, region):
    if name.startswith("arn:"):
        return name
    found = secretsmanager_backends[account][region].secrets.get(name)
    return found.arn if found else f"arn:aws:secretsmanager:{region}:{account}:secret:{name}-?"


def of_query(service, form, account, region):
    operation = form.get("Action", "")
    if service == "sts" and operation == "AssumeRole":
        tags = tags_of(form)
        context = {f"aws:RequestTag/{k}": v for k, v in tags.items()}
        yield "sts:AssumeRole", form["RoleArn"], context
        if tags:
            yield "sts:TagSession", form["RoleArn"], context
    elif service == "cloudformation" and "StackName" in form:
        name = form["StackName"]
        yield f"cloudformation:{operation}", name if name.startswith("arn:") else f"arn:aws:cloudformation:{region}:{account}:stack/{name}/0", {}
    elif operation != "GetCallerIdentity":
        yield f"{service}:{operation}", "*", {}


def tags_of(form):
    indexes = {k.split(".")[2] for k in form if k.startswith("Tags.member.")}
    return {form[f"Tags.member.{i}.Key"]: form.get(f"Tags.member.{i}.Value", "") for i in indexes}


def refusal(environ):
    """Returns what the caller of a request may not do, or None."""
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    scope = re.search(r"Credential=([^,\s]+)", environ.get("HTTP_AUTHORIZATION", ""))
    scope = (scope[1] if scope else query.get("X-Amz-Credential", [""])[0]).split("/")
    caller = sessions.get(scope[0])
    if caller is None or caller.arn not in roles:
        return None
    region, service = scope[2], scope[3]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) if service != "s3" or "tagging" in query or "delete" in query else b""
    if body:
        environ["wsgi.input"] = io.BytesIO(body)
    text = body.decode("utf-8", "replace")
    if service == "s3":
        headers = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
        query = {k: v for k, v in query.items() if not k.startswith("X-Amz-") and k != "x-id"}
        requests = of_s3(environ["REQUEST_METHOD"], environ["PATH_INFO"].encode("latin-1").decode("utf-8"), query, headers, text)
    elif environ.get("HTTP_X_AMZ_TARGET"):
        requests = of_json(service, environ["HTTP_X_AMZ_TARGET"].split(".")[-1], json.loads(text or "{}"), caller.account, region)
    else:
        form = dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
        requests = of_query(service, form, caller.account, region)
        if service == "sts" and form.get("RoleArn") in roles and not trusts(form["RoleArn"], caller, form.get("ExternalId"), tags_of(form)):
            return f"sts:AssumeRole on resource: {form['RoleArn']} because its trust policy does not allow it"
    for action, resource, context in requests:
        if not allows(caller, action, resource, context) or action == "s3:GetObject" and hides(caller, resource):
            return f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource}"
    return None


def hides(caller, resource):
    """S3 says that an object does not exist to those only who may list the bucket, whatever the prefix. It is no refusal to note."""
    bucket, _, key = resource.removeprefix("arn:aws:s3:::").partition("/")
    found = s3_backends[caller.account]["aws"].buckets.get(bucket)
    return found is not None and key not in found.keys and decision(caller, "s3:ListBucket", "arn:aws:s3:::" + bucket, {}) != {"Allow"}


def answer(environ, start_response, message):
    if environ.get("HTTP_X_AMZ_TARGET"):
        status, kind, text = "400 Bad Request", "application/x-amz-json-1.1", json.dumps({"__type": "AccessDeniedException", "Message": message})
    elif "/s3/" in environ.get("HTTP_AUTHORIZATION", ""):
        status, kind, text = "403 Forbidden", "application/xml", f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
    else:
        status, kind, text = "403 Forbidden", "text/xml", f"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{message}</Message></Error></ErrorResponse>"
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(text.encode())))])
    return [text.encode()]


def credentials(task):
    """The credentials of a task's role: a session that is named like the task, as ECS does it. None for a task without one."""
    arn = (task.overrides or {}).get("taskRoleArn") or task.definition.task_role_arn
    if not arn:
        return None
    backend = sts_backends[task._account_id]["aws"]
    role = backend.assume_role(task.region_name, task.id, arn, None, 6 * 3600, None)
    sessions[role.access_key_id] = session(arn)
    return arn, role


def apply():
    def remember(cls, keep):
        create = cls.create_from_cloudformation_json.__func__

        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **more):
            resource = create(cls, resource_name, cloudformation_json, account_id, region_name, **more)
            keep(resource, cloudformation_json["Properties"], account_id)
            return resource

        cls.create_from_cloudformation_json = classmethod(create_from_cloudformation_json)

    def keep_role(role, properties, _):
        roles[role.arn], made[role.arn] = properties, role

    remember(Role, keep_role)
    remember(ManagedPolicy, lambda policy, p, _: managed.update({policy.arn: p["PolicyDocument"]}))
    remember(InlinePolicy, lambda _, p, account: attached.append((account, p.get("Roles") or [], p["PolicyDocument"])))

    # moto leaves the trust policy as it is when a stack is updated.
    update = Role.update_from_cloudformation_json.__func__

    def update_role(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        role = update(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name)
        properties = cloudformation_json["Properties"]
        role.assume_role_policy_document = json.dumps(properties["AssumeRolePolicyDocument"], default=str)
        keep_role(role, properties, account_id)
        return role

    Role.update_from_cloudformation_json = classmethod(update_role)

    # moto makes a task definition without its roles.
    def task_definition(cls, resource_name, cloudformation_json, account_id, region_name, **more):
        p = cloudformation_json["Properties"]
        definition = create_definition(cls, resource_name, cloudformation_json, account_id, region_name, **more)
        definition.task_role_arn, definition.execution_role_arn = p.get("TaskRoleArn"), p.get("ExecutionRoleArn")
        return definition

    create_definition = TaskDefinition.create_from_cloudformation_json.__func__
    TaskDefinition.create_from_cloudformation_json = classmethod(task_definition)

    assume = TokenResponse.assume_role

    def assume_role(self):
        answer = assume(self)
        role = answer.result["Credentials"]
        sessions[role.access_key_id] = session(role.role_arn, {t["Key"]: t["Value"] for t in self._get_param("Tags") or []})
        return answer

    TokenResponse.assume_role = assume_role

    dispatch = DomainDispatcherApplication.__call__

    def checked(self, environ, start_response):
        if environ["PATH_INFO"] == "/ecs/denied":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(denied).encode()]
        message = refusal(environ)
        return answer(environ, start_response, message) if message else dispatch(self, environ, start_response)

    DomainDispatcherApplication.__call__ = checked
