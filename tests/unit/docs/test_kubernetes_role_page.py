# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/kubernetes-role.yml grants what the client may ask for, and nothing else.

``GPUOPS_WRITE_DOCS=1 python -m pytest tests/unit/docs/test_kubernetes_role_page.py`` writes the file anew.
"""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.permissions import (
    PERMISSIONS,
    ROLE_NAME,
    cluster_role_manifest,
    role_manifest,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.kubernetes.resources import NAMESPACES

FILE = Path(__file__).resolve().parents[3] / "docs" / "kubernetes-role.yml"
NAMESPACE = "inference"

HEAD = f"""\
# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Everything that the collection asks of the API server, made from the table that its client is held to. Put your
# namespace for "{NAMESPACE}"; who deploys is the service account {ROLE_NAME} here, and may be a user or a group.
# Rules marked "optional" may be left out: the collection then leaves out what stands beside them, and says so.
#
#   kubectl apply -f kubernetes-role.yml
---
apiVersion: v1
kind: List
items:
"""
ACCOUNT = f"""\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {ROLE_NAME}
  namespace: {NAMESPACE}
"""


def rules(manifest: dict[str, Any]) -> str:
    """Return the rules as YAML, each with what its verbs are for."""
    text = "rules:\n"
    for rule in manifest["rules"]:
        [group], [plural] = rule["apiGroups"], rule["resources"]
        verbs_for: dict[str, list[str]] = {}
        for row in PERMISSIONS:
            name = row.resource.plural + (f"/{row.subresource}" if row.subresource else "")
            of_cluster = not row.resource.namespaced and row.resource is not NAMESPACES
            if (row.resource.group, name, of_cluster) == (group, plural, manifest["kind"] == "ClusterRole"):
                verbs_for.setdefault(f"{'' if row.needed else 'optional: '}{row.purpose}", []).append(row.verb)
        for purpose, verbs in verbs_for.items():
            text += f"  # {purpose}" + (f" ({', '.join(verbs)})\n" if len(verbs_for) > 1 else "\n")
        group_text = group or '""'
        text += f"  - apiGroups: [{group_text}]\n    resources: [{plural}]\n    verbs: [{', '.join(rule['verbs'])}]\n"
    return text


def granted(manifest: dict[str, Any]) -> list[str]:
    """Return a role and its binding as YAML."""
    kind, namespace = manifest["kind"], manifest["metadata"].get("namespace")
    place = f"  namespace: {namespace}\n" if namespace else ""
    head = f"apiVersion: {manifest['apiVersion']}\nkind: {{kind}}\nmetadata:\n  name: {ROLE_NAME}\n{place}"
    return [
        f"{head.format(kind=kind)}{rules(manifest)}",
        f"{head.format(kind=f'{kind}Binding')}"
        f"roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {ROLE_NAME}\n"
        f"subjects:\n  - kind: ServiceAccount\n    name: {ROLE_NAME}\n    namespace: {NAMESPACE}\n",
    ]


def page() -> str:
    """Return the file as it has to be: one document, since the gates take no more."""
    objects = [ACCOUNT, *granted(role_manifest(NAMESPACE)), *granted(cluster_role_manifest())]
    return HEAD + "".join(f"  - {textwrap.indent(text, ' ' * 4)[4:]}" for text in objects)


def test_the_file_grants_what_the_client_asks_for() -> None:
    if os.environ.get("GPUOPS_WRITE_DOCS"):
        FILE.write_text(page(), encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == page(), "run with GPUOPS_WRITE_DOCS=1 to write it anew"


def test_the_text_is_the_manifests() -> None:
    documents = yaml.safe_load(page())["items"]
    assert [document["kind"] for document in documents] == [
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
    ]
    assert documents[1] == role_manifest(NAMESPACE)
    assert documents[3] == cluster_role_manifest()


def test_nothing_allows_to_read_secrets_or_to_grant_rights() -> None:
    rules_of_all = [*role_manifest(NAMESPACE)["rules"], *cluster_role_manifest()["rules"]]
    assert not any("*" in part for rule in rules_of_all for part in rule.values())
    assert not any("secrets" in rule["resources"] for rule in rules_of_all)
    assert not any(group == "rbac.authorization.k8s.io" for rule in rules_of_all for group in rule["apiGroups"])
