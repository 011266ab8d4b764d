# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the sandbox for tests and talks to its admin routes and its API."""

from __future__ import annotations

import itertools
import json
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PROJECT = "my-project"
CLAIM = "my-project-models"
IMAGE = "registry.example.com/stand-in:v0.33.0"
DISTRIBUTED = "/api/v1/workloads/distributed-inferences"
INFERENCES = "/api/v1/workloads/inferences"
TRAININGS = "/api/v1/workloads/trainings"
WORKLOADS = "/api/v1/workloads"
WRITES = ("POST", "PATCH", "PUT", "DELETE")
# Pods of a real machine may take their time to end.
END_SECONDS = 90.0
TOKEN_PATHS = ("/api/v1/token", "/api/v2/token")

T = TypeVar("T")


def until(look: Callable[[], T], what: str, seconds: float = 60.0, good: Callable[[T], bool] = bool) -> T:
    """Look again and again until the value is ``good`` (by default: true) and return it; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = look()
        if good(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}; last seen: {value!r}")
        time.sleep(0.02)


class SandboxHandle:
    """A running sandbox: ``python -m gpuops_sandbox up`` in ``folder``, with ``options`` (``--runtime inert``)."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._run("up", "--die-with-parent", *options)
        self.description: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        context = ssl.create_default_context(cafile=self.description["ca_path"])
        handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)
        self._numbers = itertools.count(1)
        self._token = ""
        self._first_switches = self.switches()

    def end(self) -> None:
        """End the sandbox; nothing of it stays."""
        self._run("down")

    # What a task says

    @property
    def connection(self) -> dict[str, Any]:
        """The connection options of every module of the collection."""
        return {
            "platform": "runai",
            "project": PROJECT,
            "runai_url": self.description["api_url"],
            "runai_client_id": self.description["client_id"],
            "runai_client_secret": self.description["client_secret"],
            "runai_ca_path": self.description["ca_path"],
            "progress": "none",
        }

    @property
    def endpoint_connection(self) -> dict[str, Any]:
        """The options that make the model's own endpoint trusted (``vllm_smoke_test``)."""
        return {"endpoint_ca_path": self.description["ca_path"]}

    def workload(self, name: str, **options: Any) -> dict[str, Any]:
        """Return the whole parameters of ``vllm_workload`` for the recipe's 2 x 2 topology on the stand-in image.

        ``options`` are put over them; ``None`` leaves an option out.
        """
        whole = {
            **self.connection,
            "name": name,
            "image": IMAGE,
            "pods": 2,
            "gpus_per_pod": 2,
            "model": {"path": "/data/input/Models/Mistral-Small-4-119B-2603", "served_names": ["mistral4"]},
            "volumes": [{"claim": CLAIM, "path": "/data"}],
            "serving": {"access": "authenticated_users", "external": True},
            "preemptibility": "preemptible",
            **options,
        }
        return {option: value for option, value in whole.items() if value is not None}

    def unique_name(self, prefix: str = "w") -> str:
        """Return a workload name that no test of this run has had."""
        return f"{prefix}-{next(self._numbers)}"

    # What the sandbox offers beside the API

    def state(self) -> dict[str, Any]:
        """Return machines, projects, workloads and their pods."""
        state: dict[str, Any] = self._admin("GET", "/state")
        return state

    def living(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the workloads that are not deleted, those of ``name`` where it is given."""
        entries = self.state()["workloads"]
        return [entry for entry in entries if not entry["deleted"] and name in (None, entry["name"])]

    def the_one(self, name: str) -> dict[str, Any]:
        """Return the one workload of this name; there must not be another."""
        found = self.living(name)
        assert len(found) == 1, f"{len(found)} workloads are called {name}: {found}"
        return found[0]

    def requests(self) -> list[dict[str, Any]]:
        """Return the finished API requests since the last reset: method, path, query, status, fault."""
        entries: list[dict[str, Any]] = self._admin("GET", "/requests")["requests"]
        return entries

    def writes(self) -> list[str]:
        """Return the requests that change something, logins left out, as ``POST /api/v1/workloads/inferences``."""
        return [
            f"{entry['method']} {entry['path']}"
            for entry in self.requests()
            if entry["method"] in WRITES and entry["path"] not in TOKEN_PATHS
        ]

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        self._admin("DELETE", "/requests")

    def add_fault(
        self, action: dict[str, Any], method: str | None = None, path: str = "", nth: int = 1, times: int = 1
    ) -> None:
        """Let the ``nth`` request of this method whose path matches ``path`` suffer ``action``, ``times`` times
        (0: from then on)."""
        match = {"method": method, "path_regex": path, "nth": nth}
        self._admin("POST", "/faults", {"match": match, "times": times, "action": action})

    def faults(self) -> list[dict[str, Any]]:
        """Return the fault rules with how many requests each one has matched."""
        rules: list[dict[str, Any]] = self._admin("GET", "/faults")["faults"]
        return rules

    def until_hit(self, rule: int = 0) -> None:
        """Wait until the fault rule of this number has taken a request."""

        def hit() -> bool:
            found = self.faults()[rule]
            return bool(found["matched"] >= found["match"]["nth"])

        until(hit, f"a request meets fault rule {rule}")

    def forget_faults(self) -> None:
        """Remove all fault rules (what is held goes on) and end an outage."""
        self._admin("DELETE", "/faults")

    def outage(self, seconds: float) -> None:
        """Drop every API connection for this time."""
        self._admin("POST", "/outage", {"seconds": seconds})

    def switches(self) -> dict[str, Any]:
        """Return the open points as they are set."""
        switches: dict[str, Any] = self._admin("GET", "/switches")
        return switches

    def switch(self, **values: Any) -> None:
        """Set open points; the others stay."""
        self._admin("PUT", "/switches", values)

    def expire_tokens(self) -> None:
        """Make every token invalid that was issued so far."""
        self._admin("POST", "/expire-tokens")

    def pod(self, verb: str, name: str, namespace: str | None = None) -> None:
        """Do something to a pod: ``kill``, ``crash``, ``pause``, ``resume``."""
        self._admin("POST", f"/pods/{namespace or self.description['namespace']}/{name}/{verb}")

    def reset(self) -> None:
        """Bring the sandbox back to its beginning: no faults, first switches, no workloads, an empty log."""
        self.forget_faults()
        self.switch(**{**self._first_switches, "deletion_seconds": 0})
        for entry in self.living():
            path = {"distributed": DISTRIBUTED, "training": TRAININGS}.get(entry["kind"], INFERENCES)
            self.api("DELETE", f"{path}/{entry['id']}")
        until(lambda: not self.living(), "all workloads of the last test are gone", END_SECONDS)
        self._admin("DELETE", "/data-sources")
        self.switch(**self._first_switches)
        self.forget_requests()

    def log(self, name: str) -> str:
        """Return the log of a pod: an aid of the sandbox, since Run:ai's API has none."""
        text = self._admin("GET", f"/pods/{self.description['namespace']}/{name}/log")
        return text if isinstance(text, str) else json.dumps(text)

    # The API itself

    def token(self) -> str:
        """Return a fresh token of the service account."""
        return self._login()

    def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send a request to the API as the service account and return status and content; it stands in the log."""
        status, content = self._send(method, path, body, {"Authorization": f"Bearer {self._token}"})
        if status == 401:
            self._token = self._login()
            status, content = self._send(method, path, body, {"Authorization": f"Bearer {self._token}"})
        return status, content

    def definition(self, name: str) -> dict[str, Any]:
        """Return what the one workload of this name consists of, as the API shows it."""
        handle = self.the_one(name)["id"]
        for path in (DISTRIBUTED, INFERENCES):
            status, content = self.api("GET", f"{path}/{handle}")
            if status == 200:
                definition: dict[str, Any] = content
                return definition
        raise AssertionError(f"the API does not show {name}")

    def spec(self, name: str) -> dict[str, Any]:
        """Return the spec of the one workload of this name, as the API shows it."""
        spec: dict[str, Any] = self.definition(name)["spec"]
        return spec

    def create_foreign(self, name: str) -> None:
        """Create a workload of this name that the collection has not made."""
        status, projects = self.api("GET", "/api/v1/org-unit/projects")
        assert status == 200, projects
        project = next(entry for entry in projects["projects"] if entry["name"] == PROJECT)
        spec = {"image": IMAGE, "command": "vllm serve /data/m", "compute": {"gpuDevicesRequest": 1}}
        body = {"name": name, "projectId": project["id"], "clusterId": project["clusterId"], "spec": {"leader": spec}}
        status, content = self.api("POST", DISTRIBUTED, body)
        assert status == 202, content

    def _login(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.description["client_id"],
            "client_secret": self.description["client_secret"],
        }
        request = urllib.request.Request(
            f"{self.description['api_url']}/api/v2/token", data=urllib.parse.urlencode(form).encode(), method="POST"
        )
        with self._opener.open(request, timeout=20) as answer:
            return str(json.load(answer)["access_token"])

    def _admin(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-Sandbox-Admin": self.description["admin_token"]}
        status, content = self._send(method, f"/sandbox{path}", body, headers)
        assert status == 200, f"{method} {path}: {status} {content}"
        return content

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"{self.description['api_url']}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=20) as answer:
                return int(answer.status), _content(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _content(error.read())

    def _run(self, verb: str, *options: str) -> None:
        command = [sys.executable, "-m", "gpuops_sandbox", verb, "--state-dir", str(self.folder), *options]
        done = subprocess.run(
            command,
            cwd=REPOSITORY / "tests" / "sandbox",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def _content(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw.strip() else None
    except ValueError:
        return raw.decode("utf-8", "replace")
