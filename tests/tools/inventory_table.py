# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of all inventory variables in docs/inventory.md from the roles' argument specs.

Usage: python tests/tools/inventory_table.py          (needs PyYAML, which the environments sandbox and dev have)

The text around the table is written by hand. A unit test holds the table in step.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import yaml
from places import REPOSITORY

PAGE = REPOSITORY / "docs" / "inventory.md"
BEGIN = "<!-- table: written by tests/tools/inventory_table.py from the roles' argument specs -->"
END = "<!-- end of the table -->"
ROLES = ("vllm_serving", "smoke_test", "preflight", "model_storage", "nccl_fabric")

# The chapters, in this order, by the first variable of each as the argument spec of vllm_serving lists them.
CHAPTERS = {
    "gpuops_name": "Which workload, and where",
    "gpuops_runai_url": "How the control plane is reached",
    "gpuops_kubeconfig": "How the API server of a cluster is reached",
    "gpuops_state": "What to reach, and how",
    "gpuops_image": "What runs",
    "gpuops_claim": "The model's volume",
    "gpuops_access": "The endpoint",
    "gpuops_run_as_uid": "Identity of the engine",
    "gpuops_tensor_parallel_size": "vLLM",
    "gpuops_fabric": "What carries NCCL",
    "gpuops_preemptibility": "Quota, resources, machines",
    "gpuops_labels": "Pods",
    "gpuops_controller": "Plain Kubernetes only",
    "gpuops_endpoint_token": "The smoke test",
    "gpuops_preflight_fail_on": "The preflight",
    "gpuops_claim_state": "The claim of the model's volume",
    "gpuops_ownership_ensure": "The model's files",
    "gpuops_fabric_evidence": "How the fabric is found out",
}

Options = dict[str, dict[str, Any]]


def role_options(role: str) -> Options:
    """Return the options of a role's entry points, in the order of its argument spec."""
    text = (REPOSITORY / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    merged: Options = {}
    for entry_point in yaml.safe_load(text)["argument_specs"].values():
        merged.update(entry_point["options"])
    return merged


def all_options() -> Options:
    """Return the options of all roles: what an inventory may set for a workload."""
    merged: Options = {}
    for role in ROLES:
        for name, option in role_options(role).items():
            merged.setdefault(name, option)
    return merged


def plain(markup: str) -> str:
    """Return Ansible's markup as Markdown for a table's cell."""
    return re.sub(r"\b[VOECM]\(([^)]*)\)", r"`\1`", markup).replace("|", r"\|")


def type_of(option: dict[str, Any]) -> str:
    """Return the type as a person says it."""
    if "choices" in option:
        return ", ".join(f"`{choice}`" for choice in option["choices"])
    if option["type"] == "list":
        return f"list of {option['elements']}"
    return str(option["type"])


def default_of(option: dict[str, Any]) -> str:
    """Return what counts where the variable is not set."""
    if option.get("required"):
        return "**required**"
    default = option.get("default")
    if default is None or default in ([], {}, ""):
        return ""
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"


def rows(options: Options, prefix: str = "") -> list[str]:
    """Return the table's rows; what a dictionary holds follows it."""
    lines = []
    for name, option in options.items():
        cells = (f"`{prefix}{name}`", type_of(option), default_of(option), plain(option["description"]))
        lines.append("| " + " | ".join(cells) + " |")
        inner = "[]." if option["type"] == "list" else "."
        lines.extend(rows(option.get("options", {}), f"{prefix}{name}{inner}"))
    return lines


def table() -> str:
    """Return the chapters with their tables."""
    chapters: dict[str, Options] = {}
    title = ""
    for name, option in all_options().items():
        title = CHAPTERS.get(name, title)
        chapters.setdefault(title, {})[name] = option
    parts = []
    for title, options in chapters.items():
        head = f"### {title}\n\n| variable | type or choices | default | meaning |\n|---|---|---|---|\n"
        parts.append(head + "\n".join(rows(options)) + "\n")
    return "\n".join(parts)


def page_with_table(page: str) -> str:
    """Return the page with the table as it has to be."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Rewrite the table."""
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
