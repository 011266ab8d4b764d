# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of an API server for the tests of the client."""

from __future__ import annotations

import json
from typing import Any

SERVICES_PATH = "/api/v1/namespaces/my-project/services"


def service(name: str, version: str = "5") -> dict[str, Any]:
    """Return a Service as it is answered."""
    metadata = {"name": name, "namespace": "my-project", "resourceVersion": version}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata}


def listing(*names: str, following: str = "") -> dict[str, Any]:
    """Return a page of services; ``following`` says that there are more."""
    metadata = {"resourceVersion": "5", **({"continue": following} if following else {})}
    items = [{"metadata": service(name)["metadata"]} for name in names]
    return {"apiVersion": "v1", "kind": "ServiceList", "metadata": metadata, "items": items}


def event(kind: str, name: str, version: str) -> bytes:
    """Return a line of a watch."""
    return json.dumps({"type": kind, "object": service(name, version)}).encode() + b"\n"


def status(code: int, **more: Any) -> dict[str, Any]:
    """Return a Status object, as refusals are answered."""
    return {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": "no", **more}
