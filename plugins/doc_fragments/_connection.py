# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the connection options that every module of the collection accepts."""

from __future__ import annotations


class ModuleDocFragment:
    """How the platform is reached."""

    DOCUMENTATION = r"""
requirements:
  - kubernetes >= 28.1.0 (only with O(platform=kubernetes), or where O(kubeconfig) or O(host) is set)
options:
  platform:
    description:
      - The platform that runs the workload.
    type: str
    required: true
    choices:
      runai: NVIDIA Run:ai, through its control plane's REST API.
      kubernetes: A Kubernetes cluster, through its API server. Needs the Python package C(kubernetes).
  project:
    description:
      - The Run:ai project, by name. Its namespace and cluster are read from the control plane.
      - The environment variable E(RUNAI_PROJECT) is never read, since Run:ai injects it into its own containers.
      - Required with O(platform=runai), and refused with O(platform=kubernetes).
    type: str
  namespace:
    description:
      - The namespace of the cluster. If the option is not set, it is that of the kubeconfig's context, or that of the
        pod that this runs in.
      - Only with O(platform=kubernetes).
    type: str
  expect_cluster:
    description:
      - The name of the cluster that is meant. If it is another one, nothing is done.
      - With O(platform=runai) it is the cluster of the project. With O(platform=kubernetes) it is the name of the
        cluster in the kubeconfig, or the host name of the API server.
    type: str
  runai_url:
    description:
      - The address of the Run:ai control plane. Only used with O(platform=runai), like all options C(runai_*). For
        example V(https://tenant.run.ai).
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
      - The time limit of one HTTP request to the control plane, in seconds.
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
  kubeconfig:
    description:
      - The kubeconfig of the cluster, as the path of a file, or as its content in a dictionary.
      - If the option is not set, the environment variable E(K8S_AUTH_KUBECONFIG) is used. With
        O(platform=kubernetes), without either and without O(host), it is the usual file (E(KUBECONFIG),
        C(~/.kube/config)), or the service account of the pod that this runs in.
      - With O(platform=runai), a kubeconfig of the project's cluster (or O(host) with credentials) adds what the
        control plane does not show. Logs, every pod and its events, commands in pods, requests to the leader of every
        replica, and volume claims then come from there. It is only looked into after the project's namespace and
        the workload's own pods were found in it, otherwise a finding says why not. Nothing is ever written there, and
        the usual file and service account are not used.
      - Secrets in a dictionary are masked in results and in progress lines. Where the task runs as a module (another
        connection, C(async), C(become)) prefer a path, since Ansible itself may write options to that machine's system
        log.
      - What the other options of a cluster say counts more than the kubeconfig.
    type: raw
  context:
    description:
      - The context of the kubeconfig. If the option is not set, the environment variable E(K8S_AUTH_CONTEXT) is used,
        and the current context without it.
    type: str
  host:
    description:
      - The address of the API server, such as V(https://kubernetes.example.com:6443).
      - If the option is not set, the environment variable E(K8S_AUTH_HOST) is used.
    type: str
  api_key:
    description:
      - A bearer token for the API server.
      - If the option is not set, the environment variable E(K8S_AUTH_API_KEY) is used.
    type: str
  username:
    description:
      - The user name for an API server that asks for one. Needs O(password).
      - If the option is not set, the environment variable E(K8S_AUTH_USERNAME) is used.
    type: str
  password:
    description:
      - The password of O(username).
      - If the option is not set, the environment variable E(K8S_AUTH_PASSWORD) is used.
    type: str
  client_cert:
    description:
      - A client certificate in PEM format. Needs O(client_key).
      - If the option is not set, the environment variable E(K8S_AUTH_CERT_FILE) is used.
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - The private key of O(client_cert).
      - If the option is not set, the environment variable E(K8S_AUTH_KEY_FILE) is used.
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - A file with the certificates of the authority that signed the API server's certificate, in PEM format.
      - If the option is not set, the environment variable E(K8S_AUTH_SSL_CA_CERT) is used.
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether the certificate of the API server is verified.
      - If the option is not set, the environment variable E(K8S_AUTH_VERIFY_SSL) is used. Without either the kubeconfig
        decides, and it is verified where that says nothing.
    type: bool
    aliases: [verify_ssl]
  tls_server_name:
    description:
      - The name that the API server's certificate has to show, where it is not that of the address.
    type: str
  proxy:
    description:
      - The address of a proxy on the way to the API server.
      - If the option is not set, the environment variable E(K8S_AUTH_PROXY) is used.
    type: str
  no_proxy:
    description:
      - The hosts that are reached without O(proxy), separated by commas.
      - If the option is not set, the environment variable E(K8S_AUTH_NO_PROXY) is used.
    type: str
  proxy_headers:
    description:
      - Headers for O(proxy).
    type: dict
    suboptions:
      basic_auth:
        description:
          - The user and the password for basic authentication, separated by a colon.
          - If the option is not set, the environment variable E(K8S_AUTH_PROXY_HEADERS_BASIC_AUTH) is used.
        type: str
      proxy_basic_auth:
        description:
          - The user and the password for basic authentication at the proxy, separated by a colon.
          - If the option is not set, the environment variable E(K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH) is used.
        type: str
      user_agent:
        description:
          - The user agent to send.
          - If the option is not set, the environment variable E(K8S_AUTH_PROXY_HEADERS_USER_AGENT) is used.
        type: str
  impersonate_user:
    description:
      - The user to act as.
      - If the option is not set, the environment variable E(K8S_AUTH_IMPERSONATE_USER) is used.
    type: str
  impersonate_groups:
    description:
      - The groups to act as. Needs O(impersonate_user).
      - If the option is not set, the environment variable E(K8S_AUTH_IMPERSONATE_GROUPS) is used, with commas between
        the groups.
    type: list
    elements: str
  kubernetes_request_timeout:
    description:
      - The time limit of one HTTP request to the API server, in seconds.
    type: int
    default: 30
"""
