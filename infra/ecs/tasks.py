"""The statuses of a task: PROVISIONING, PENDING, RUNNING, DEACTIVATING, STOPPED, as DescribeTasks returns them."""

import collections
import copy
import re
import threading
import time

import awslogs
import iam
import registry
from drivers import CannotStart
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends

STOP_TIMEOUT = 30  # seconds, ECS's default
KILLED = 137


class Sidecar:
    """A container that is not essential: neither its end nor its health ends the task."""

    def __init__(self, handle, log):
        self.handle, self.log, self.ended = handle, log, threading.Event()

    def follow(self, container, check):
        if check:
            threading.Thread(target=self.check, args=(container, check), daemon=True).start()
        for line in self.handle.lines():
            self.log.line(line)
        self.log.close()
        container.exitCode = self.handle.wait()
        container.last_status = "STOPPED"
        self.ended.set()

    def check(self, container, check):
        while not self.ended.wait(check.get("interval", 30)):
            healthy = self.handle.execute(check["command"][1], check.get("timeout", 5))
            container.health_status = "HEALTHY" if healthy else "UNHEALTHY"

    def stop(self, timeout):
        if not self.ended.is_set():
            self.handle.stop(timeout)
            self.ended.wait(timeout + 60)  # it is removed, too


class Tasks:
    def __init__(self, driver, endpoint, image, phase, log_delay, more):
        self.more = dict(entry.split("=", 1) for entry in more)
        self.driver, self.endpoint, self.image, self.phase, self.log_delay = driver, endpoint, image, phase, log_delay
        self.lock = threading.RLock()
        self.metadata = ""  # the address of the metadata server
        self.by_token, self.by_id = {}, {}
        self.refused = collections.Counter()
        self.ending = False

    def capacity(self, subnets, provider):
        """Returns why a task cannot be placed: subnet-nocapacity takes no task, subnet-nocapacity-2 the third and later ones,
        subnet-nospot none on Spot."""
        for subnet in subnets:
            magic = re.fullmatch(r"subnet-nocapacity(?:-(\d+))?(?:-\w*)?", subnet)
            if magic:
                self.refused[subnet] += 1
                if not magic[1] or self.refused[subnet] <= int(magic[1]):
                    return "Capacity is unavailable at this time. Please try again later or in a different availability zone"
            if subnet == "subnet-nospot" and provider == "FARGATE_SPOT":
                return "Capacity is unavailable at this time. Please try again later or in a different availability zone"
        return None

    def start(self, task, definition):
        task.created_at, task.last_status, task.containers[0].exitCode = time.time(), "PROVISIONING", None
        task.definition, task.handle, task.runner, task.beside = definition, None, task.containers[0], []
        self.by_id[task.id] = task
        threading.Thread(target=self.run, args=(task,), daemon=True).start()

    def run(self, task):
        container, definition = task.runner, task.definition.container_definitions[0]
        overrides = next((o for o in task.overrides.get("containerOverrides", []) if o["name"] == definition["name"]), {})
        try:
            time.sleep(self.phase)
            environment = self.environment(task, definition, overrides)
            log = awslogs.open_stream(task, definition, self.log_delay)
            task.last_status, task.pull_started_at = "PENDING", time.time()
            time.sleep(self.phase)
            with self.lock:
                if task.desired_status == "STOPPED":
                    raise CannotStart(task.stopped_reason)
                image = self.image or definition["image"]
                memory = task.overrides.get("memory") or task.definition.memory or definition.get("memory")
                cpu = task.overrides.get("cpu") or task.definition.cpu
                self.start_sidecars(task, cpu and int(cpu), memory and int(memory))
                command = overrides.get("command") or definition.get("command") or []
                registry.may_pull(task, image)
                task.handle = self.driver.start(task.id, registry.resolve(image), command, environment, cpu and int(cpu), memory and int(memory))
                task.pull_stopped_at = task.started_at = time.time()
                container.last_status = task.last_status = "RUNNING"
                container.runtime_id = task.handle.id
            for line in task.handle.lines():
                log.line(line)
            log.close()
            code = task.handle.wait()
        except CannotStart as reason:
            self.ended(task, "TaskFailedToStart", str(reason))
            return
        except Exception as error:  # an error of this server: who follows the task must not wait forever
            self.ended(task, "TaskFailedToStart", f"this ECS has failed: {error!r}")
            raise
        container.exitCode = code
        if code == KILLED and task.desired_status != "STOPPED":
            container.reason = "OutOfMemoryError: Container killed due to memory usage"
        self.ended(task, "EssentialContainerExited", "Essential container in task exited")

    def start_sidecars(self, task, cpu, memory):
        """Starts the other containers of a task: those that the runner depends on. They share its limits on Fargate; here each has them."""
        for number, definition in enumerate(task.definition.container_definitions[1:], 1):
            environment = self.environment(task, definition, {})
            log = awslogs.open_stream(task, definition, self.log_delay)
            command = definition.get("command") or []
            sidecar = Sidecar(self.driver.start(f"{task.id}-{number}", definition["image"], command, environment, cpu, memory), log)
            task.beside.append(sidecar)
            container = copy.copy(task.runner)
            container.name, container.image, container.runtime_id = definition["name"], definition["image"], sidecar.handle.id
            container.container_arn += f"-{number}"
            container.last_status, container.health_status, container.environment = "RUNNING", "UNKNOWN", definition.get("environment")
            task.containers.insert(0, container)  # in no order that one could rely on
            threading.Thread(target=sidecar.follow, args=(container, definition.get("healthCheck")), daemon=True).start()

    def ended(self, task, code, reason):
        for sidecar, definition in zip(task.beside, task.definition.container_definitions[1:]):
            sidecar.stop(float(definition.get("stopTimeout") or STOP_TIMEOUT))
        with self.lock:
            if task.desired_status != "STOPPED":
                task.stop_code, task.stopped_reason = code, reason
            task.desired_status = "STOPPED"
        task.stopping_at = task.execution_stopped_at = task.stopped_at = time.time()
        for container in task.containers:
            container.last_status = "STOPPED"
        task.last_status = "STOPPED"

    def stop(self, task, code, reason):
        with self.lock:
            if task.desired_status == "STOPPED":
                return
            task.desired_status, task.stop_code, task.stopped_reason = "STOPPED", code, reason
            task.stopping_at = time.time()
            if task.handle:
                task.last_status = "DEACTIVATING"
                timeout = float(task.definition.container_definitions[0].get("stopTimeout") or STOP_TIMEOUT)
                threading.Thread(target=task.handle.stop, args=(timeout,), daemon=True).start()

    def end(self):
        """Kills the tasks that run. They end with the server."""
        for task in list(self.by_id.values()):
            if task.handle and task.last_status != "STOPPED":
                task.handle.kill()
                for sidecar in task.beside:
                    sidecar.handle.kill()

    def environment(self, task, definition, overrides):
        environment = {
            "AWS_REGION": task.region_name,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.metadata}/credentials/{task.id}",
            "ECS_CONTAINER_METADATA_URI_V4": f"{self.metadata}/v4/{task.id}",
            **self.more,
        }
        for entry in [*definition.get("environment", []), *overrides.get("environment", [])]:
            environment[entry["name"]] = entry["value"]
        for secret in definition.get("secrets", []):
            environment[secret["name"]] = self.secret(task, secret["valueFrom"])
        return environment

    def secret(self, task, reference):
        account, region = task._account_id, task.region_name
        role = iam.session(task.definition.execution_role_arn) if task.definition.execution_role_arn in iam.roles else None
        try:
            action = "secretsmanager:GetSecretValue" if ":secretsmanager:" in reference else "ssm:GetParameters"
            if role and not iam.allows(role, action, reference):
                raise PermissionError(f"{role.arn} may not read it")
            if ":secretsmanager:" in reference:
                return secretsmanager_backends[account][region].get_secret_value(reference, "", "")["SecretString"]
            name = reference.split(":parameter", 1)[-1]
            return ssm_backends[account][region].get_parameter(name).value
        except Exception as error:
            raise CannotStart(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
                f"unable to retrieve secret from asm: service call has been retried 1 time(s): {reference}: {type(error).__name__}"
            ) from None
