"""Drivers run a task: as a process of this machine, or in a container."""

import base64
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

PR_SET_PDEATHSIG = 1


class CannotStart(Exception):
    """The task did not start. The text is the stoppedReason of ECS."""


def not_pulled(image, why):
    return CannotStart(f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: {why}")


class Process:
    """Runs one program for every image. An image is a folder; the program starts in a copy of it."""

    def __init__(self, entrypoint):
        self.entrypoint = os.path.abspath(entrypoint)
        self.libc = ctypes.CDLL(None, use_errno=True)

    def start(self, name, image, command, environment, cpu, memory):
        if not os.path.isdir(image):
            raise not_pulled(image, "not found")
        root = tempfile.mkdtemp(prefix="ecs-")
        work = os.path.join(root, "app")
        shutil.copytree(image, work, symlinks=True)
        variables = {"PATH": os.environ["PATH"], "HOME": root, "TMPDIR": root, **environment}
        try:
            child = subprocess.Popen(
                [self.entrypoint, *command], cwd=work, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=lambda: self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
            )
        except OSError as error:
            shutil.rmtree(root)
            raise CannotStart(f"CannotStartContainerError: {error.strerror}") from None
        return ProcessHandle(name, child, root)


class ProcessHandle:
    def __init__(self, name, child, root):
        self.id, self.child, self.root = name, child, root

    def lines(self):
        yield from self.child.stdout

    def wait(self):
        code = self.child.wait()
        shutil.rmtree(self.root, ignore_errors=True)
        return code if code >= 0 else 128 - code

    def execute(self, script, timeout):
        try:
            return subprocess.run(["sh", "-c", script], cwd=self.root, capture_output=True, timeout=timeout).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def stop(self, timeout):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Podman:
    """Runs a container. It sets both limits, since the defaults exceed those of some hosts."""

    def __init__(self, mounts):
        self.mounts, self.pulled = mounts, set()

    def pull(self, image):
        """Pulls an image of ECR, once, with the token that moto gives. Others are on this machine."""
        account = re.match(r"(\d{12})\.dkr\.ecr\.", image)
        if account is None or image in self.pulled:
            return
        token = base64.b64encode(f"AWS:{account[1]}-auth-token".encode()).decode()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"auths": {image.split("/")[0]: {"auth": token}}}, file)
            file.flush()
            made = subprocess.run(["podman", "pull", "--quiet", "--authfile", file.name, image], capture_output=True, text=True)
        if made.returncode != 0:
            raise not_pulled(image, made.stderr.strip().splitlines()[-1] if made.stderr.strip() else "no reason given")
        self.pulled.add(image)

    def start(self, name, image, command, environment, cpu, memory):
        self.pull(image)
        container = "ecs-" + name
        # Values are passed by the environment: every user of the machine can read arguments.
        arguments = ["podman", "--runtime", "runc", "create", "--name", container, "--pull", "never", "--network", "host"]
        arguments += ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]
        arguments += [a for key in environment for a in ("--env", key)] + [a for mount in self.mounts for a in ("--volume", mount + ":ro")]
        if cpu:
            arguments += ["--cpus", str(cpu / 1024)]
        if memory:
            arguments += ["--memory", f"{memory}m", "--memory-swap", f"{memory}m"]
        made = subprocess.run([*arguments, image, *command], cwd=tempfile.gettempdir(), env={**os.environ, **environment}, capture_output=True, text=True)
        if made.returncode != 0:
            said = made.stderr.strip().splitlines()[-1] if made.stderr.strip() else "no reason given"
            raise not_pulled(image, said) if "image not known" in said or "no such image" in said.lower() else CannotStart("CannotCreateContainerError: " + said)
        work = tempfile.mkdtemp(prefix="ecs-")  # podman notes there that memory ran out
        child = subprocess.Popen(
            ["podman", "--runtime", "runc", "start", "--attach", container], cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        return PodmanHandle(container, child, work)


class PodmanHandle:
    def __init__(self, container, child, work):
        self.id, self.child, self.work = container, child, work

    def lines(self):
        yield from self.child.stdout

    def wait(self):
        self.child.wait()
        code = subprocess.run(["podman", "wait", self.id], capture_output=True, text=True).stdout.strip()
        subprocess.run(["podman", "rm", "--force", self.id], capture_output=True)
        shutil.rmtree(self.work, ignore_errors=True)
        return int(code or 255)

    def execute(self, script, timeout):
        try:
            return subprocess.run(["podman", "--runtime", "runc", "exec", self.id, "sh", "-c", script], capture_output=True, timeout=timeout).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def stop(self, timeout):
        subprocess.run(["podman", "stop", "--time", str(int(timeout)), self.id], capture_output=True)

    def kill(self):
        subprocess.run(["podman", "rm", "--force", "--time", "0", self.id], capture_output=True)
