# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the connection options that every module of the collection accepts."""

from __future__ import annotations


class ModuleDocFragment:
    """How the platform is reached."""

    DOCUMENTATION = r"""
options:
  platform:
    description:
      - The platform that runs the workload.
    type: str
    required: true
    choices:
      runai: NVIDIA Run:ai, through its control plane's REST API.
  project:
    description:
      - The Run:ai project, by name. Its namespace and cluster are read from the control plane.
      - The environment variable E(RUNAI_PROJECT) is never read, since Run:ai injects it into its own containers.
    type: str
    required: true
  expect_cluster:
    description:
      - The name of the cluster that is meant. If the project belongs to another one, nothing is done.
    type: str
  runai_url:
    description:
      - The address of the Run:ai control plane, such as V(https://tenant.run.ai).
      - If the option is not set, the environment variable E(RUNAI_URL) is used.
    type: str
  runai_auth:
    description:
      - How to log in. If the option is not set, the environment variable E(RUNAI_AUTH) is used.
    type: str
    choices:
      credentials: With O(runai_client_id) and O(runai_client_secret), or O(runai_token).
      cli: With the token that the login of the Run:ai command line left in the home directory.
    default: credentials
  runai_client_id:
    description:
      - The client ID of a service account or of a user's access key.
      - If the option is not set, the environment variable E(RUNAI_CLIENT_ID) is used.
    type: str
  runai_client_secret:
    description:
      - The client secret that belongs to O(runai_client_id).
      - If the option is not set, the environment variable E(RUNAI_CLIENT_SECRET) is used.
    type: str
  runai_token:
    description:
      - A bearer token to use instead of logging in.
      - If the option is not set, the environment variable E(RUNAI_TOKEN) is used.
    type: str
  runai_validate_certs:
    description:
      - Whether the certificate of the control plane is verified.
      - If the option is not set, the environment variable E(RUNAI_VALIDATE_CERTS) is used.
    type: bool
    default: true
  runai_ca_path:
    description:
      - A file with the certificates of the authority that signed the control plane's certificate, in PEM format.
      - If the option is not set, the environment variable E(RUNAI_CA_PATH) is used.
    type: path
  runai_client_cert:
    description:
      - A client certificate in PEM format. Needs O(runai_client_key).
      - If the option is not set, the environment variable E(RUNAI_CLIENT_CERT) is used.
    type: path
  runai_client_key:
    description:
      - The private key of O(runai_client_cert).
      - If the option is not set, the environment variable E(RUNAI_CLIENT_KEY) is used.
    type: path
  runai_request_timeout:
    description:
      - The time limit of one HTTP request, in seconds.
    type: int
    default: 30
  progress:
    description:
      - When a line about the progress is printed to the controller's standard error.
      - Nothing is printed where the task runs as a module (another connection, C(async), C(become)) or under
        C(no_log).
      - If the option is not set, the environment variable E(GPUOPS_PROGRESS) is used.
    type: str
    choices:
      changes: When something has changed.
      interval: When something has changed, and every 15 seconds.
      none: Never.
    default: changes
"""
