# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options of a workload that only plain Kubernetes takes."""

from __future__ import annotations


class ModuleDocFragment:
    """How a cluster runs it. With another platform these options are refused."""

    DOCUMENTATION = r"""
options:
  controller:
    description:
      - What runs the pods on Kubernetes. Only with O(platform=kubernetes), like the options about Kubernetes after it.
    type: str
    choices:
      auto: What runs the workload already. For a new one, a Deployment for one pod, else a LeaderWorkerSet where the
        cluster has them, else Deployments.
      leaderworkerset: A LeaderWorkerSet, also for one pod.
      deployments: A Deployment for each pod of the replica. Pods are not started together, and a replica that lost a
        pod is not started anew as a whole. One replica only.
    default: auto
  priority_class:
    description:
      - The name of the PriorityClass of the pods. It says which pods may be preempted for which.
    type: str
  scheduler:
    description:
      - The name of the scheduler that places the pods. The cluster's default if it is not set.
    type: str
  queue:
    description:
      - The project or queue in the scheduler of Run:ai or KAI, where one runs in the cluster.
    type: str
  service_account:
    description:
      - The service account of the pods. They get no token of it.
    type: str
  node_selector:
    description:
      - Labels that a machine must have.
    type: dict
    default: {}
  affinity:
    description:
      - An affinity in the words of Kubernetes. What follows from O(spread) and O(exclude_machines) is added.
    type: dict
    default: {}
  extra_volumes:
    description:
      - Further volumes of every pod, such as a ConfigMap with certificates. For claims see O(volumes).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name of the volume in the pods.
        type: str
        required: true
      path:
        description: Where it is mounted.
        type: str
        required: true
      source:
        description: The volume in the words of Kubernetes, without its name, such as a dictionary with C(configMap).
        type: dict
        required: true
      read_only:
        description: Whether it is mounted read-only.
        type: bool
        default: true
  capabilities:
    description:
      - Linux capabilities that the container gets, without the prefix C(CAP_). All others are dropped.
      - Capabilities have no effect for users other than root, which is who the engine runs as, unless the image gives
        them to its programs.
    type: list
    elements: str
    default: []
  shm_size:
    description:
      - The size of the memory on C(/dev/shm), as a Kubernetes quantity such as V(16Gi). It counts against the memory
        limit of the pod.
    type: str
  scratch_size:
    description:
      - The size of the private scratch folder of each pod, as a Kubernetes quantity such as V(20Gi).
    type: str
  exclusive_topology:
    description:
      - A label of machines, such as that of a rack. A replica stays within one of its values, and has that for itself.
        Needs a LeaderWorkerSet.
    type: str
  subgroup_size:
    description:
      - How many pods of a replica are placed together. Needs a LeaderWorkerSet.
    type: int
  subgroup_topology:
    description:
      - The label of machines within one value of which a subgroup stays. Needs O(subgroup_size).
    type: str
  service:
    description:
      - The Service in front of the leaders. Its name is that of the workload, and stays.
    type: dict
    suboptions:
      type:
        description:
          - The type of the Service.
        type: str
        choices:
          cluster_ip: It can be reached inside the cluster.
          node_port: Also on a port of every machine.
          load_balancer: Also through a load balancer of the cluster's provider.
        default: cluster_ip
      annotations:
        description:
          - Annotations of the Service, for example for the load balancer.
        type: dict
        default: {}
  network_policy:
    description:
      - Makes a NetworkPolicy. All ports are open between the pods of the workload, the HTTP port also for
        O(network_policy.clients), and nothing else. If it is not set, no policy is made.
    type: dict
    suboptions:
      clients:
        description:
          - Who may call the HTTP port. What reads metrics needs an entry too.
        type: list
        elements: dict
        default: []
        suboptions:
          namespace_labels:
            description:
              - Labels of the namespaces of the calling pods. All namespaces if it is an empty dictionary, that of the
                workload if it is not set.
            type: dict
          pod_labels:
            description:
              - Labels of the calling pods. All pods if it is empty or not set.
            type: dict
          cidr:
            description:
              - A range of addresses such as V(10.0.0.0/8), instead of labels.
            type: str
  disruption_budget:
    description:
      - Makes a PodDisruptionBudget for the leaders. If it is not set, none is made.
    type: dict
    suboptions:
      max_unavailable:
        description:
          - How many leaders may be away at a time because machines are drained.
        type: int
        default: 1
  service_monitor:
    description:
      - Whether a ServiceMonitor for Prometheus is made. Needs the Prometheus operator in the cluster.
    type: bool
    default: false
  service_monitor_labels:
    description:
      - Labels of the ServiceMonitor, by which Prometheus selects it.
    type: dict
    default: {}
  force_conflicts:
    description:
      - Whether fields are taken over that another manager of the same objects holds. Otherwise the conflict is reported
        with the other manager's name, and nothing is written.
    type: bool
    default: false
  force_lost_machines:
    description:
      - Whether pods that cannot end, because their machine has not been ready for a minute, are deleted without waiting
        for it, so that a workload can be deleted, stopped or recreated, and a group of pods be made anew elsewhere.
        Only pods whose time to end is over are deleted, and never those of a machine that is ready; both are read
        again directly before each deletion, which needs the rights to get nodes and to delete pods. Since clocks
        differ, the task itself has to have seen it so for a minute, too.
      - It happens only while the task waits (O(wait)).
      - Nobody knows whether such pods still run. If the machine comes back with them, two engines work on the same
        volume until its kubelet has ended the old ones. Switch the machine off before.
      - Otherwise the finding C(machine_lost) names the machine, and the waiting goes on until a time limit is over or
        the machine has been away for 15 minutes.
    type: bool
    default: false
"""
