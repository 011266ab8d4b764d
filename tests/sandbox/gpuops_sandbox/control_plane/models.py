# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request models of the Run:ai API: runapy 1.224's, the contract that every body is held against.

runapy imports all of its 1,100 models (3 seconds) when its package is imported. Only a few dozen are needed, so its two
packages are entered by their folders, without running their ``__init__`` files; the models themselves are untouched.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

from pydantic import BaseModel


class MissingContract(RuntimeError):
    """runapy is not installed."""


def _enter_packages() -> None:
    if "runai" in sys.modules:
        return
    found = importlib.util.find_spec("runai")
    if found is None or not found.submodule_search_locations:
        raise MissingContract("the Run:ai client package is missing: pip install runapy==1.224.0")
    folder = next(iter(found.submodule_search_locations))
    for name, path in (("runai", folder), ("runai.models", f"{folder}/models")):
        package = ModuleType(name)
        package.__path__ = [path]
        sys.modules[name] = package


def load_model(module: str, name: str) -> type[BaseModel]:
    """Return one model class. Raises ``MissingContract`` where runapy is not installed."""
    _enter_packages()
    model: type[BaseModel] | None = getattr(importlib.import_module(f"runai.models.{module}"), name, None)
    if model is None:
        raise MissingContract(f"runapy has no model {name}: version 1.224.0 is needed")
    return model


DISTRIBUTED_CREATION = load_model("distributed_inference_creation_request", "DistributedInferenceCreationRequest")
DISTRIBUTED_UPDATE = load_model("update_request", "UpdateRequest")
INFERENCE_CREATION = load_model("inference_creation_request", "InferenceCreationRequest")
INFERENCE_UPDATE = load_model("inference_update_request", "InferenceUpdateRequest")
TRAINING_CREATION = load_model("training_creation_request", "TrainingCreationRequest")
PVC_CREATION = load_model("pvc_creation_request", "PVCCreationRequest")
PVC_UPDATE = load_model("pvc_update_request", "PVCUpdateRequest")
