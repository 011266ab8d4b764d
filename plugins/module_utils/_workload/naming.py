# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""The rule for workload names.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError

# The name also names the group's headless Service, which Kubernetes holds to DNS-1035.
_DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
# DNS labels hold 63 characters; revisions ("-r12"), pod suffixes ("-0-1") and StatefulSet hashes need the rest.
LONGEST_NAME = 45

# For a Service of this name Kubernetes sets the variable (to "tcp://address:port") in every pod of the namespace,
# and vLLM 0.32 (``vllm/envs.py``) or torch's rendezvous reads it as a port number.
_INJECTED_VARIABLES = {
    "vllm": "VLLM_PORT",
    "vllm-dp-master": "VLLM_DP_MASTER_PORT",
    "vllm-nixl-side-channel": "VLLM_NIXL_SIDE_CHANNEL_PORT",
    "vllm-mooncake-bootstrap": "VLLM_MOONCAKE_BOOTSTRAP_PORT",
    "vllm-ec-side-channel": "VLLM_EC_SIDE_CHANNEL_PORT",
    "master": "MASTER_PORT",
}


def check_name(name: str, option: str = "name") -> None:
    """Refuse (``OptionError``) a name that cannot name a workload, its Service and its pods. ``option`` has it."""
    if not _DNS_1035.fullmatch(name):
        raise OptionError.of(
            option,
            f"{name!r} is not a DNS-1035 label.",
            "Use lower-case letters, digits and hyphens; begin with a letter, end with a letter or digit.",
            "invalid_name",
        )
    if len(name) > LONGEST_NAME:
        raise OptionError.of(
            option,
            f"{name!r} has {len(name)} characters.",
            f"Use at most {LONGEST_NAME}: pods and revisions add their own endings, and a DNS label holds 63.",
            "invalid_name",
        )
    if name in _INJECTED_VARIABLES:
        raise OptionError.of(
            option,
            f"A Service named {name!r} makes Kubernetes set {_INJECTED_VARIABLES[name]}=tcp://... in the pods, "
            "which vLLM takes for a port number.",
            "Choose another name.",
            "invalid_name",
        )
