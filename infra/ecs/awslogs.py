"""The awslogs driver: a container's lines become events of CloudWatch Logs while it runs."""

import threading
import time

from drivers import CannotStart
from moto.logs.models import logs_backends

BATCH = 0.05  # seconds in which lines are collected


class Discard:
    def line(self, text):
        pass

    def close(self):
        pass


class Stream:
    def __init__(self, backend, group, name, delay):
        self.backend, self.group, self.name, self.delay = backend, group, name, delay
        self.events, self.closed, self.changed = [], False, threading.Condition()
        threading.Thread(target=self.send, daemon=True).start()

    def line(self, text):
        message = text.decode("utf-8", "replace").rstrip("\r\n")
        if message:  # the driver drops empty lines
            with self.changed:
                self.events.append({"timestamp": int(time.time() * 1000), "message": message})
                self.changed.notify()

    def close(self):
        with self.changed:
            self.closed = True
            self.changed.notify()

    def send(self):
        while True:
            with self.changed:
                while not self.events and not self.closed:
                    self.changed.wait()
                if not self.events:
                    return
            time.sleep(max(BATCH, self.delay))
            with self.changed:
                events, self.events = self.events, []
            self.backend.put_log_events(self.group, self.name, events)


def open_stream(task, definition, delay):
    log = definition.get("logConfiguration") or {}
    if log.get("logDriver") != "awslogs":
        return Discard()
    options = log["options"]
    group, name = options["awslogs-group"], f"{options['awslogs-stream-prefix']}/{definition['name']}/{task.id}"
    backend = logs_backends[task._account_id][options.get("awslogs-region", task.region_name)]
    if group not in backend.groups:
        raise CannotStart(
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: "
            "ResourceNotFoundException: The specified log group does not exist."
        )
    backend.create_log_stream(group, name)
    return Stream(backend, group, name, delay)
