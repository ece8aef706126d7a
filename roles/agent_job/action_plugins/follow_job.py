"""Shows a Job's log while it runs, and waits until the Job has finished.

A task that repeats a module would print each wait as a failure, and show nothing of the log before the end. The cluster
is the one that K8S_AUTH_* name in the environment, as for the modules of kubernetes.core.
"""

import os
import time

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from kubernetes import client
from urllib3.exceptions import HTTPError

# Connect and read, in seconds.
REQUEST_TIMEOUT = (10, 30)
# For so long the cluster may give no answer, in seconds. The Job runs on meanwhile.
SILENCE_SECONDS = 600
OPTIONS = {
    "namespace": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    # Until its pod has started, and until it has finished.
    "start_seconds": {"type": "int", "required": True},
    "seconds": {"type": "int", "required": True},
    "poll_seconds": {"type": "int", "required": True},
    # The most lines of a container's log that are shown at once.
    "lines": {"type": "int", "required": True},
}


class ActionModule(ActionBase):
    """Returns the Job and its pods as the API has them: `job` (empty if it is gone) and `pods`."""

    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(OPTIONS)
        job = FollowedJob(client.ApiClient(configuration()), **options)
        return {**result, **job.follow()}


def configuration():
    """The client's settings, from the variables that AWX injects."""
    settings = client.Configuration()
    settings.host = os.environ.get("K8S_AUTH_HOST", "")
    settings.api_key = {"authorization": "Bearer " + os.environ.get("K8S_AUTH_API_KEY", "")}
    settings.verify_ssl = os.environ.get("K8S_AUTH_VERIFY_SSL", "true").lower() not in ("false", "no", "0")
    settings.ssl_ca_cert = os.environ.get("K8S_AUTH_SSL_CA_CERT") or None
    return settings


class FollowedJob:
    def __init__(self, api, namespace, name, start_seconds, seconds, poll_seconds, lines):
        self.api = api
        self.core = client.CoreV1Api(api)
        self.batch = client.BatchV1Api(api)
        self.namespace = namespace
        self.name = name
        self.start_seconds = start_seconds
        self.seconds = seconds
        self.poll_seconds = poll_seconds
        self.lines = lines
        self.job = {}
        self.pods = []
        # The time of the last line that was shown, by pod and container.
        self.shown = {}

    def follow(self):
        began = answered = time.monotonic()
        while True:
            try:
                self.look()
                answered = time.monotonic()
            except (client.ApiException, HTTPError) as error:
                if getattr(error, "status", None) in (401, 403):
                    raise AnsibleActionFail(f"The cluster refuses to show {self.name}: {error.reason}") from error
                if time.monotonic() - answered > SILENCE_SECONDS:
                    raise AnsibleActionFail(
                        f"The cluster has not answered for {SILENCE_SECONDS} s: {error}. {self.name} in the namespace "
                        f"{self.namespace} may still be running; see its pod's log for how it ends."
                    ) from error
            waited = time.monotonic() - began
            if self.finished() or waited > self.seconds or (waited > self.start_seconds and not self.started()):
                return {"job": self.job, "pods": self.pods}
            time.sleep(self.poll_seconds)

    def look(self):
        """Reads the Job and its pods, and shows what is new in their logs."""
        # The Job first: a log that is read after its end is whole.
        try:
            job = self.batch.read_namespaced_job(self.name, self.namespace, _request_timeout=REQUEST_TIMEOUT)
        except client.ApiException as error:
            if error.status != 404:
                raise
            job = None
        found = self.core.list_namespaced_pod(
            self.namespace, label_selector=f"job-name={self.name}", _request_timeout=REQUEST_TIMEOUT
        )
        # A Job that reaches its deadline removes its pod.
        self.pods = self.api.sanitize_for_serialization(found.items) or self.pods
        for pod in self.pods:
            for status in statuses(pod):
                if not set(status["state"]) <= {"waiting"}:
                    self.show(pod["metadata"]["name"], status["name"], len(statuses(pod)) > 1)
        self.job = self.api.sanitize_for_serialization(job) or {}

    def show(self, pod, container, several):
        last = self.shown.get((pod, container), "")
        try:
            log = self.core.read_namespaced_pod_log(
                pod,
                self.namespace,
                container=container,
                timestamps=True,
                tail_lines=self.lines,
                _preload_content=False,
                _request_timeout=REQUEST_TIMEOUT,
            ).data
        except client.ApiException:
            # A killed pod's log may be gone; its messages are in its status.
            return
        lines = [line.partition(" ") for line in log.decode(errors="replace").splitlines()]
        new = [(when(stamp), text) for stamp, _, text in lines if when(stamp) > last]
        prefix = f"{container} | " if several else ""
        if len(new) == self.lines and last:
            Display().display(f"{prefix}(earlier lines are left out)")
        for _, text in new:
            Display().display(prefix + "".join(character for character in text if character.isprintable()))
        if new:
            self.shown[pod, container] = new[-1][0]

    def started(self):
        return any(not set(status["state"]) <= {"waiting"} for pod in self.pods for status in statuses(pod))

    def finished(self):
        conditions = self.job.get("status", {}).get("conditions") or []
        return any(item["type"] in ("Complete", "Failed") and item["status"] == "True" for item in conditions)


def statuses(pod):
    """The states of a pod's containers, in the order in which they run."""
    status = pod.get("status", {})
    return [
        {"name": item["name"], "state": {key: value for key, value in (item.get("state") or {}).items() if value}}
        for item in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    ]


def when(stamp):
    """A time in RFC 3339 in a form that is sorted as text: runtimes leave out the zeros at a fraction's end."""
    digits = stamp.partition(".")[2]
    fraction = digits[: len(digits) - len(digits.lstrip("0123456789"))]
    return stamp[:19] + fraction.ljust(9, "0")
