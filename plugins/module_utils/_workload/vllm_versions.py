# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""Which vLLM an image holds, and what that version can do.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.gpuops.inference.plugins.module_utils._results.error import OptionError
from ansible_collections.gpuops.inference.plugins.module_utils._results.finding import INFO, WARNING, Finding

Version = tuple[int, int, int]

# Tags that a registry moves to the newest build.
_FLOATING_TAGS = ("latest", "main", "master", "nightly", "dev", "edge", "stable")
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?![0-9.])(?:[-+_.a-zA-Z][-+_.0-9a-zA-Z]*)?")

# First release with each feature. Sources: the release sources of vLLM, and its command line parsers as packaged.
_NATIVE_MULTI_NODE: Version = (0, 11, 1)
_DISTRIBUTED_TIMEOUT: Version = (0, 18, 0)
_SHUTDOWN_TIMEOUT: Version = (0, 18, 0)
# The first release whose image comes without Ray, and the releases around the move of the Ray script.
_WITHOUT_RAY: Version = (0, 18, 0)
_LAST_OLD_SCRIPT: Version = (0, 20, 99)
_FIRST_NEW_SCRIPT: Version = (0, 22, 0)
_OLD_SCRIPT = "/vllm-workspace/examples/online_serving/multi-node-serving.sh"
_NEW_SCRIPT = "/vllm-workspace/examples/ray_serving/multi-node-serving.sh"


@dataclass(frozen=True)
class ImageReference:
    """The parts of an image reference; ``None`` where it does not state one."""

    repository: str
    tag: str | None
    digest: str | None

    @property
    def floating(self) -> bool:
        """Say whether the registry may hand out another image under this reference tomorrow."""
        return self.digest is None and (self.tag is None or self.tag in _FLOATING_TAGS)


@dataclass(frozen=True)
class VllmFeatures:
    """What the planner may use. ``version`` is ``None`` where it is unknown: then the features are those of the current
    releases without the optional ones. ``ray_script`` is ``None`` where the image's script has no known place."""

    version: Version | None
    native_multi_node: bool
    distributed_timeout: bool
    shutdown_timeout: bool
    ray_in_image: bool
    ray_script: str | None


def parse_image(image: str) -> ImageReference:
    """Take an image reference apart (registry ports and digests included). Raises ``OptionError`` naming ``image``."""
    if not image or any(character.isspace() for character in image):
        raise OptionError.of("image", f"{image!r} is not an image reference.", "Write registry/repository:tag.")
    rest, _at, digest = image.partition("@")
    last = rest.rsplit("/", 1)[-1]
    name, colon, tag = last.partition(":")
    if not name or (colon and not tag) or (_at and not digest):
        raise OptionError.of("image", f"{image!r} is not an image reference.", "Write registry/repository:tag.")
    repository = rest[: len(rest) - len(colon) - len(tag)]
    return ImageReference(repository, tag or None, digest or None)


def decide_version(image: str, vllm_version: str | None) -> tuple[Version | None, list[Finding]]:
    """Return the vLLM version, ``None`` where it is unknown, and findings about how sure that is.

    ``vllm_version`` is the user's word and wins; otherwise the image's tag is read. vLLM has had only 0.x releases: a
    tag such as ``25.09-py3`` is a distributor's own numbering and says nothing.
    """
    reference = parse_image(image)
    findings: list[Finding] = []
    if reference.floating:
        found = f"has the floating tag {reference.tag!r}" if reference.tag else "has no tag"
        findings.append(
            Finding(
                WARNING,
                "floating_image_tag",
                f"The image {found}: pods that start at different times may run different vLLM versions.",
                "Name a release (:v0.33.0) or a digest.",
                "image",
            )
        )
    if vllm_version is not None:
        stated = _version_in(vllm_version)
        if stated is None:
            raise OptionError.of(
                "vllm_version", f"{vllm_version!r} is not a version.", "Write it like 0.33.0.", "invalid_version"
            )
        return stated, findings
    in_tag = _version_in(reference.tag or "")
    if in_tag is not None and in_tag[0] == 0:
        return in_tag, findings
    findings.append(
        Finding(
            INFO,
            "vllm_version_unknown",
            "The image does not say which vLLM it holds; it is planned for as a current release.",
            "State vllm_version to use what only some releases have (such as --shutdown-timeout).",
            "image",
        )
    )
    return None, findings


def features_of(version: Version | None) -> VllmFeatures:
    """Return what vLLM of this version can do."""
    if version is None:
        return VllmFeatures(None, True, True, False, False, _NEW_SCRIPT)
    script = None
    if version <= _LAST_OLD_SCRIPT:
        script = _OLD_SCRIPT
    elif version >= _FIRST_NEW_SCRIPT:
        script = _NEW_SCRIPT
    return VllmFeatures(
        version=version,
        native_multi_node=version >= _NATIVE_MULTI_NODE,
        distributed_timeout=version >= _DISTRIBUTED_TIMEOUT,
        shutdown_timeout=version >= _SHUTDOWN_TIMEOUT,
        ray_in_image=version < _WITHOUT_RAY,
        ray_script=script,
    )


def version_text(version: Version | None) -> str:
    """Return the version for sentences."""
    return "of unknown version" if version is None else ".".join(str(part) for part in version)


def _version_in(text: str) -> Version | None:
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    return int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)
