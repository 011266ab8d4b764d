# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and command lines of the cluster's programs. Pure, but for the certificates that it writes."""

from __future__ import annotations

import base64
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gpuops_cluster import leaderworkerset
from gpuops_cluster.api import Identity
from gpuops_cluster.certificates import Authority, Pair, make_service_account_key
from gpuops_cluster.kubelet.pods import ENGINE_PORT, POD_NETWORK, SCENARIOS
from gpuops_cluster.machine.inside import BRIDGE_ADDRESS
from gpuops_cluster.machine.settings import LOST_POD_SECONDS, LOST_SECONDS
from gpuops_cluster.objects import CLIENTS, MACHINE, NAMESPACE, NAMESPACES, TEST_USER
from gpuops_cluster.processes import ADDRESS
from gpuops_cluster.programs import Programs

PORTS = (
    *("etcd", "etcd_peer", "api", "controllers", "scheduler", "kubelet", "kwok", "lws_webhook", "lws_health"),
    # Where port-forward leads: to the engines' stand-in, and from other ports of pods to where a test may listen.
    *("engines", "forward"),
    # Of the whole cluster alone.
    "registry",
)
CONTEXT = "gpuops-test"
# A folder of the cluster's own in which `exec` looks for programs first.
IN_PODS = "in-pods"
STAGES = Path(__file__).with_name("stages.yaml")
PACKAGE_ROOT = Path(__file__).resolve().parents[1]
# For the controllers, which the defaults of the programs (20 requests a second) would hold up at a thousand pods.
QPS = ("--kube-api-qps=500", "--kube-api-burst=1000")


@dataclass(frozen=True)
class Layout:
    """The folder of one cluster, its ports and its certificates by name."""

    folder: Path
    ports: dict[str, int]
    authority: Authority
    pairs: dict[str, Pair]
    service_accounts: Pair
    whole: bool = False

    @property
    def api_url(self) -> str:
        """The address of the API server."""
        return f"https://{ADDRESS}:{self.ports['api']}"

    @property
    def etcd_url(self) -> str:
        """The address of etcd, which asks nobody who they are."""
        return f"http://{ADDRESS}:{self.ports['etcd']}"

    @property
    def audit_log(self) -> Path:
        """What users of the group CLIENTS, and service accounts of the test namespaces, did: a JSON object a line."""
        return self.folder / "audit.log"

    def identity(self, name: str) -> Identity:
        """Return one of the clients that have a certificate."""
        pair = self.pairs[name]
        return Identity(self.api_url, self.authority.path, pair.certificate, pair.key)

    def kubeconfig(self, name: str) -> Path:
        """Return where the kubeconfig of a client lies."""
        return self.folder / f"{name}.kubeconfig"


def lay_out(folder: Path, ports: dict[str, int], whole: bool = False) -> Layout:
    """Make certificates and configuration files in a new folder; ``whole``: of a cluster that has a real machine."""
    folder.mkdir(mode=0o700)
    authority = Authority(folder / "certificates")
    clients = {
        "admin": ("gpuops-test-admin", ("system:masters",)),
        "tests": (TEST_USER, (CLIENTS,)),
        "controllers": ("system:kube-controller-manager", ()),
        "scheduler": ("system:kube-scheduler", ()),
        # Everything that a real cluster would spread over its machines; none of it is the subject of a test.
        "machines": ("gpuops-test-machines", ("system:masters",)),
        "lws": ("gpuops-test-lws", ("system:masters",)),
        "machine": (f"system:node:{MACHINE}", ("system:nodes",)),
        "proxy": ("system:kube-proxy", ()),
    }
    services = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1", BRIDGE_ADDRESS)
    pairs = {name: authority.issue(name, user, groups) for name, (user, groups) in clients.items()}
    for name, hosts in (
        ("api", services),
        ("kubelet", ()),
        ("webhook", ()),
        ("machine-server", (MACHINE, BRIDGE_ADDRESS)),
    ):
        pairs[name] = authority.issue(name, name, hosts=("localhost", ADDRESS, *hosts))
    layout = Layout(folder, ports, authority, pairs, make_service_account_key(authority.folder), whole)
    for name in clients:
        write_kubeconfig(layout.kubeconfig(name), layout.identity(name))
    _write_yaml(folder / "audit-policy.yaml", audit_policy())
    (folder / "kwok.yaml").write_text(kwok_configuration(layout), encoding="utf-8")
    _write_webhook_certificates(layout)
    return layout


def kubeconfig(identity: Identity, user: dict[str, Any] | None = None, namespace: str = NAMESPACE) -> dict[str, Any]:
    """Return a kubeconfig; ``user``: how to log in, by default with the identity's certificate."""
    by_certificate = {"client-certificate": str(identity.certificate), "client-key": str(identity.key)}
    cluster = {"server": identity.url, "certificate-authority": str(identity.authority)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": by_certificate if user is None else user}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": namespace}}],
        "current-context": CONTEXT,
    }


def write_kubeconfig(path: Path, identity: Identity, user: dict[str, Any] | None = None) -> Path:
    """Write a kubeconfig that only this user can read, and return its path."""
    path.touch(mode=0o600)
    _write_yaml(path, kubeconfig(identity, user))
    return path


def audit_policy() -> dict[str, Any]:
    """Return which requests are written down: those of the tests' own users, once they are answered."""
    groups = [CLIENTS, *(f"system:serviceaccounts:{namespace}" for namespace in NAMESPACES)]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "userGroups": groups}, {"level": "None"}],
    }


def kwok_configuration(layout: Layout) -> str:
    """Return KWOK's one file: options and stages."""
    options = {
        "manageAllNodes": False,
        "manageNodesWithAnnotationSelector": "kwok.x-k8s.io/node=fake",
        "cidr": POD_NETWORK,
        "nodeIP": ADDRESS,
        "nodePort": layout.ports["kubelet"],
        "serverAddress": f"{ADDRESS}:{layout.ports['kwok']}",
        "tlsCertFile": str(layout.pairs["kubelet"].certificate),
        "tlsPrivateKeyFile": str(layout.pairs["kubelet"].key),
        "enableDebuggingHandlers": True,
        "nodeLeaseDurationSeconds": 40,
        "nodeLeaseParallelism": 4,
        "nodePlayStageParallelism": 4,
        "podPlayStageParallelism": 16,
        "podsOnNodeSyncParallelism": 4,
        "enablePodsOnNodeSyncListPager": False,
        "enablePodsOnNodeSyncStreamWatch": True,
    }
    configuration = {"apiVersion": "config.kwok.x-k8s.io/v1alpha1", "kind": "KwokConfiguration", "options": options}
    anything: dict[str, Any] = {"selector": {}}
    # Exec runs on this machine, and port-forward, from whatever pod, leads to ports of it: enough to try that requests
    # arrive.
    forwards = [
        {"ports": [ENGINE_PORT], "target": {"port": layout.ports["engines"], "address": ADDRESS}},
        {"target": {"port": layout.ports["forward"], "address": ADDRESS}},
    ]
    handlers = [
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterExec",
            "metadata": {"name": "everything"},
            "spec": {**anything, "execs": [{"local": {"workDir": str(layout.folder)}}]},
        },
        {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterPortForward",
            "metadata": {"name": "everything"},
            "spec": {**anything, "forwards": forwards},
        },
    ]
    return yaml.safe_dump_all([configuration, *handlers, *stages()], sort_keys=False)


def stages() -> list[dict[str, Any]]:
    """Return KWOK's stages, with the images that it leaves alone put in."""
    text = STAGES.read_text(encoding="utf-8").replace("SCENARIOS\n", f"{sorted(SCENARIOS)}\n")
    return list(yaml.safe_load(text))


def commands(layout: Layout, programs: Programs) -> dict[str, list[str]]:
    """Return the command line of every program, in the order in which they can start."""
    pairs, ports, folder = layout.pairs, layout.ports, layout.folder
    accounts = layout.service_accounts
    etcd_peer = f"http://{ADDRESS}:{ports['etcd_peer']}"

    def as_client(name: str) -> list[str]:
        path = layout.kubeconfig(name)
        return [f"--{kind}kubeconfig={path}" for kind in ("", "authentication-", "authorization-")]

    return {
        "etcd": [
            programs["etcd"],
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={layout.etcd_url}",
            f"--advertise-client-urls={layout.etcd_url}",
            f"--listen-peer-urls={etcd_peer}",
            f"--initial-advertise-peer-urls={etcd_peer}",
            f"--initial-cluster=default={etcd_peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
        "api-server": [
            programs["kube-apiserver"],
            f"--etcd-servers={layout.etcd_url}",
            *(_reached_from_pods() if layout.whole else _reached_from_outside()),
            f"--secure-port={ports['api']}",
            f"--tls-cert-file={pairs['api'].certificate}",
            f"--tls-private-key-file={pairs['api'].key}",
            f"--client-ca-file={layout.authority.path}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={accounts.certificate}",
            f"--service-account-signing-key-file={accounts.key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            # Whether a pod may be privileged is for pod security to say.
            "--allow-privileged=true",
            f"--kubelet-client-certificate={pairs['machines'].certificate}",
            f"--kubelet-client-key={pairs['machines'].key}",
            "--kubelet-preferred-address-types=InternalIP",
            "--delete-collection-workers=8",
            f"--audit-policy-file={folder / 'audit-policy.yaml'}",
            f"--audit-log-path={layout.audit_log}",
            f"--cert-dir={folder / 'certificates'}",
        ],
        "controllers": [
            programs["kube-controller-manager"],
            *as_client("controllers"),
            f"--bind-address={ADDRESS}",
            f"--secure-port={ports['controllers']}",
            f"--cert-dir={folder / 'certificates'}",
            f"--service-account-private-key-file={accounts.key}",
            f"--root-ca-file={layout.authority.path}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--controllers=*,-nodeipam",
            *((f"--node-monitor-grace-period={LOST_SECONDS}s", "--node-monitor-period=2s") if layout.whole else ()),
            *QPS,
        ],
        "scheduler": [
            programs["kube-scheduler"],
            *as_client("scheduler"),
            f"--bind-address={ADDRESS}",
            f"--secure-port={ports['scheduler']}",
            f"--cert-dir={folder / 'certificates'}",
            "--leader-elect=false",
            *QPS,
        ],
        "kwok": [
            "/usr/bin/env",
            # Where `exec` finds what a test puts there.
            f"PATH={folder / IN_PODS}{os.pathsep}{os.defpath}",
            programs["kwok"],
            f"--config={folder / 'kwok.yaml'}",
            f"--kubeconfig={layout.kubeconfig('machines')}",
        ],
        "kubelet": _kubelet(layout),
        "lws": [
            programs["lws"],
            f"--config={folder / 'lws.yaml'}",
            f"--kubeconfig={layout.kubeconfig('lws')}",
            "--zap-log-level=error",
        ],
    }


def _reached_from_outside() -> list[str]:
    # Nothing in the cluster could reach the API by its Service.
    return [f"--bind-address={ADDRESS}", "--endpoint-reconciler-type=none"]


def _reached_from_pods() -> list[str]:
    # Kubernetes' own patience with a lost machine is five minutes.
    patience = [f"--default-{word}-toleration-seconds={LOST_POD_SECONDS}" for word in ("not-ready", "unreachable")]
    return ["--bind-address=0.0.0.0", f"--advertise-address={BRIDGE_ADDRESS}", *patience]


def authority_text(layout: Layout) -> str:
    """Return the certificate authority as webhook configurations want it."""
    return base64.b64encode(layout.authority.path.read_bytes()).decode()


def _kubelet(layout: Layout) -> list[str]:
    machines, server = layout.pairs["machines"], layout.pairs["kubelet"]
    return [
        sys.executable,
        "-m",
        "gpuops_cluster.kubelet",
        f"--api-url={layout.api_url}",
        f"--ca={layout.authority.path}",
        f"--client-certificate={machines.certificate}",
        f"--client-key={machines.key}",
        f"--certificate={server.certificate}",
        f"--key={server.key}",
        f"--port={layout.ports['kubelet']}",
        f"--kwok-port={layout.ports['kwok']}",
        f"--engines-port={layout.ports['engines']}",
    ]


def _write_webhook_certificates(layout: Layout) -> None:
    folder = layout.folder / "certificates" / "lws"
    folder.mkdir()
    # The names that the controller looks for.
    (folder / "tls.crt").write_bytes(layout.pairs["webhook"].certificate.read_bytes())
    (folder / "tls.key").touch(mode=0o600)
    (folder / "tls.key").write_bytes(layout.pairs["webhook"].key.read_bytes())
    ports = layout.ports
    _write_yaml(
        layout.folder / "lws.yaml", leaderworkerset.configuration(ports["lws_webhook"], ports["lws_health"], folder)
    )


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
