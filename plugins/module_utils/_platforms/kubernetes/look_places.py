# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Where a look at a workload runs: like one of its pods, as the cluster has it. Pure and tolerant.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.looks import LookPlace
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import (
    mapping,
    mappings,
    whole_number,
)
from ansible_collections.gpuops.inference.plugins.module_utils._workload.spec import RunAsSpec, TolerationSpec

Object = Mapping[str, Any]

# Who looks where the pod states no user of its own: nobody, since a look never runs as root for want of a better one.
_NOBODY = 65534


def place_like(pod: Object, container: Object) -> LookPlace:
    """Return the place of a look that shall run like ``container`` of ``pod``: its image, identity, secrets and
    tolerations, best on its machine, where the image is."""
    spec = mapping(pod.get("spec"))
    return LookPlace(
        image=str(container.get("image") or ""),
        run_as=_identity(mapping(spec.get("securityContext")), mapping(container.get("securityContext"))),
        image_pull_secrets=tuple(
            str(secret["name"]) for secret in mappings(spec.get("imagePullSecrets")) if secret.get("name")
        ),
        node_selector={str(name): str(value) for name, value in mapping(spec.get("nodeSelector")).items()},
        tolerations=tuple(_toleration(given) for given in mappings(spec.get("tolerations"))),
        machine=str(spec["nodeName"]) if spec.get("nodeName") else None,
    )


def _identity(of_pod: Object, of_container: Object) -> RunAsSpec:
    """Return as whom a container runs: its own statement wins over its pod's."""
    stated = {**of_pod, **of_container}
    uid = whole_number(stated.get("runAsUser"), 0) or _NOBODY
    groups = of_pod.get("supplementalGroups")
    return RunAsSpec(
        uid,
        whole_number(stated.get("runAsGroup"), uid),
        tuple(group for group in groups if isinstance(group, int)) if isinstance(groups, (list, tuple)) else (),
    )


def _toleration(given: Object) -> TolerationSpec:
    seconds = whole_number(given.get("tolerationSeconds"), None)
    return TolerationSpec(
        str(given.get("key") or ""),
        str(given.get("operator") or "Equal"),
        str(given["value"]) if given.get("value") else None,
        str(given["effect"]) if given.get("effect") else None,
        seconds,
    )
