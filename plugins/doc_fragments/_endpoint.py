# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options about trust in a model's own endpoint."""

from __future__ import annotations


class ModuleDocFragment:
    """How the model's endpoint is trusted."""

    DOCUMENTATION = r"""
options:
  endpoint_token:
    description:
      - A bearer token for the model's endpoint. It is never sent to the platform. On plain Kubernetes it is the key
        that vLLM asks of its callers, and goes through a port forward to leaders that ask for one.
      - If it is not set and the endpoint asks for users of the platform, the platform's own token is sent, but only
        over verified TLS and only to the host that the platform reported for the workload.
      - If the option is not set, the environment variable E(GPUOPS_ENDPOINT_TOKEN) is used.
    type: str
  endpoint_ca_path:
    description:
      - A file with the certificates of the authority that signed the endpoint's certificate, in PEM format.
      - If it is not set, the platform's (O(runai_ca_path)) is used.
      - If the option is not set, the environment variable E(GPUOPS_ENDPOINT_CA_PATH) is used.
    type: path
  endpoint_validate_certs:
    description:
      - Whether the endpoint's certificate is verified. A token is never sent to an endpoint that is not verified.
    type: bool
    default: true
"""
