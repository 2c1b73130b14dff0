"""The endpoints of a container: task metadata, version 4, and the credentials of its role. For tests: POST /spot/<task>."""

import datetime
import http.server
import json
import threading

import iam


def serve(host, ecs):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            kind, _, rest = self.path.strip("/").partition("/")
            name, _, what = rest.partition("/")
            task = ecs.by_id.get(name)
            if task is None:
                self.answer(404, {})
            elif kind == "credentials":
                self.answer(200, credentials(task))
            elif kind == "v4" and what in ("", "task"):
                self.answer(200, task_of(task) if what else container_of(task))
            else:
                self.answer(200 if what in ("stats", "task/stats") else 404, {})

        def do_POST(self):
            task = ecs.by_id.get(self.path.rsplit("/", 1)[-1])
            if self.path.startswith("/spot/") and task:
                ecs.stop(task, "SpotInterruption", "Your Spot Task was interrupted.")
            self.answer(200 if task else 404, {})

        def answer(self, status, body):
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://{host}:{server.server_port}"


def stamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat().replace("+00:00", "Z") if seconds else None


def container_of(task):
    definition = task.definition.container_definitions[0]
    return {
        "DockerId": task.id, "Name": definition["name"], "DockerName": definition["name"], "Image": definition["image"],
        "Labels": {
            "com.amazonaws.ecs.cluster": task.cluster_arn, "com.amazonaws.ecs.container-name": definition["name"],
            "com.amazonaws.ecs.task-arn": task.task_arn, "com.amazonaws.ecs.task-definition-family": task.definition.family,
            "com.amazonaws.ecs.task-definition-version": str(task.definition.revision),
        },
        "DesiredStatus": task.desired_status, "KnownStatus": task.last_status, "Limits": {"CPU": 2},
        "CreatedAt": stamp(task.created_at), "StartedAt": stamp(getattr(task, "started_at", None)), "Type": "NORMAL",
        "ContainerARN": task.runner.container_arn, "LogDriver": "awslogs", "Networks": [],
    }


def task_of(task):
    return {
        "Cluster": task.cluster_arn, "TaskARN": task.task_arn, "Family": task.definition.family, "Revision": str(task.definition.revision),
        "DesiredStatus": task.desired_status, "KnownStatus": task.last_status,
        "Limits": {"CPU": int(task.definition.cpu or 1024) / 1024, "Memory": int(task.definition.memory or 2048)},
        "PullStartedAt": stamp(task.pull_started_at), "PullStoppedAt": stamp(getattr(task, "pull_stopped_at", None)),
        "AvailabilityZone": task.region_name + "a", "LaunchType": "FARGATE", "Containers": [container_of(task)],
    }


def credentials(task):
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=6)
    own = iam.credentials(task)
    if own:
        arn, role = own
        return {
            "RoleArn": arn, "AccessKeyId": role.access_key_id, "SecretAccessKey": role.secret_access_key, "Token": role.session_token,
            "Expiration": stamp(later.timestamp()),
        }
    return {
        "RoleArn": "arn:aws:iam::123456789012:role/task", "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "Token": "token", "Expiration": stamp(later.timestamp()),
    }
