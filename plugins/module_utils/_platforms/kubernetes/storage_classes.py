# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Whether a cluster's storage can be mounted by several machines, as far as the names of its provisioners tell. Pure.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.gpuops.inference.plugins.module_utils._platforms.preflight import (
    DOUBTFUL,
    PASSED,
    UNKNOWN,
    PreflightCheck,
)
from ansible_collections.gpuops.inference.plugins.module_utils._platforms.tolerant import mapping

Object = Mapping[str, Any]

_DEFAULT = "storageclass.kubernetes.io/is-default-class"
# Parts of the names that CSI drivers give themselves; the API does not say what access modes a class offers.
_SHARED = (
    "nfs",
    "cephfs",
    "efs.csi",
    "filestore",
    "azurefile",
    "file.csi.azure",
    "lustre",
    "weka",
    "spectrumscale",
    "gpfs",
    "beegfs",
    "juicefs",
    "glusterfs",
    "manila",
    "vast",
    "quobyte",
    "isilon",
    "hammerspace",
)
_ONE_MACHINE = (
    "ebs",
    "gce-pd",
    "pd.csi.storage",
    "azure-disk",
    "disk.csi.azure",
    "local-path",
    "no-provisioner",
    "hostpath",
    "rbd",
    "topolvm",
    "cinder",
    "vsphere",
)


def offers_shared_volumes(storage_class: Object) -> bool | None:
    """Say whether a class makes volumes that several machines can mount; ``None`` where its name does not tell."""
    provisioner = str(storage_class.get("provisioner") or "").lower()
    if any(part in provisioner for part in _SHARED):
        return True
    return False if any(part in provisioner for part in _ONE_MACHINE) else None


def describe_storage(classes: Sequence[Object], is_shared: bool) -> PreflightCheck:
    """Return the storage classes as a check; ``is_shared``: a volume for several pods has yet to be made of one."""
    if not classes:
        evidence = "the cluster has no storage class: claims get no volume by themselves."
        return PreflightCheck("storage", DOUBTFUL if is_shared else PASSED, evidence, "", "storage_not_shared")
    words = ", ".join(_in_words(one) for one in classes)
    offers = {offers_shared_volumes(one) for one in classes}
    if not is_shared or True in offers:
        return PreflightCheck("storage", PASSED, f"{words}.")
    if None in offers:
        hint = "A volume that several pods mount needs a class that offers ReadWriteMany."
        return PreflightCheck("storage", UNKNOWN, f"{words}: whether these offer ReadWriteMany is not known.", hint)
    hint = "A volume that several pods mount needs ReadWriteMany, such as NFS or CephFS."
    return PreflightCheck("storage", DOUBTFUL, f"{words}: none offers ReadWriteMany.", hint, "storage_not_shared")


def is_default(storage_class: Object) -> bool:
    """Say whether claims that name no class get this one."""
    return mapping(mapping(storage_class.get("metadata")).get("annotations")).get(_DEFAULT) == "true"


def _in_words(storage_class: Object) -> str:
    meta = mapping(storage_class.get("metadata"))
    default = " (default)" if is_default(storage_class) else ""
    return f"{meta.get('name')}{default} by {storage_class.get('provisioner')}"
