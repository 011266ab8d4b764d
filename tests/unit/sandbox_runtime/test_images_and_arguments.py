# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image table, a pod's command and environment, and the stand-in's answers: no process is started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpuops_sandbox.engine.environment import EngineEnvironment
from gpuops_sandbox.runtime.bubblewrap import bubblewrap_command, bubblewrap_options, pod_command, pod_environment
from gpuops_sandbox.runtime.contract import ImageNotFound, Mount, PodRequest
from gpuops_sandbox.runtime.images import ImageTable, split_reference
from gpuops_sandbox.runtime.stand_in_server import StandIn, read_command_line

DIGEST = "sha256:" + "0" * 64


def table() -> ImageTable:
    return ImageTable(lambda: EngineEnvironment(Path("/cache/engine"), Path("/opt/python")))


def request(**changes: object) -> PodRequest:
    values: dict[str, object] = {
        "name": "my-llm-inference-0",
        "namespace": "runai-my-project",
        "image": "registry.example.com/vllm-openai:v0.33.0",
        "command": (),
        "arguments": ("/data/model",),
        "environment": {},
        "uid": 2000,
        "gid": 2000,
        "supplemental_groups": (),
        "gpus": 2,
        "shared_memory_bytes": 1024**3,
        "address": "10.77.0.2",
        "hosts": {},
        **changes,
    }
    return PodRequest(**values)


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("vllm-openai", ("vllm-openai", "")),
        ("docker.io/vllm/vllm-openai:v0.33.0", ("vllm-openai", "v0.33.0")),
        ("registry.example.com:5000/team/vllm-openai", ("vllm-openai", "")),
        (f"registry.example.com:5000/vllm-openai:v1@{DIGEST}", ("vllm-openai", "v1")),
        (f"registry.example.com/vllm-openai@{DIGEST}", ("vllm-openai", "")),
    ],
)
def test_references_are_read_as_registries_do(image: str, parts: tuple[str, str]) -> None:
    assert split_reference(image) == parts
    assert table().resolve(image).entrypoint == ("vllm", "serve")


@pytest.mark.parametrize(
    "image", ["python:3.12", "registry.example.com/vllm-openai:missing", "x/stand-in:no-such-tag", "vllm-openai/other"]
)
def test_other_images_do_not_exist(image: str) -> None:
    with pytest.raises(ImageNotFound, match="failed to pull image"):
        table().resolve(image)


def test_each_image_says_what_stands_for_what() -> None:
    assert "nothing about vLLM is shown" in table().resolve("x/stand-in").stand_in
    assert "community CPU build" in table().resolve("x/vllm-openai").stand_in


def test_an_engine_that_is_not_built_is_said_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"python -m gpuops_sandbox\.engine\.environment"):
        ImageTable().resolve("x/vllm-openai")


def test_command_and_arguments_combine_as_in_kubernetes() -> None:
    image = table().resolve("x/vllm-openai")
    assert pod_command(request(), image) == ("vllm", "serve", "/data/model")
    assert pod_command(request(command=("sh", "-c"), arguments=("true",)), image) == ("sh", "-c", "true")
    assert pod_command(request(command=("id",), arguments=()), image) == ("id",)


def test_the_vllm_image_s_environment_gives_each_gpu_a_processor_and_yields_to_the_pod_s() -> None:
    image = table().resolve("x/vllm-openai")
    environment = pod_environment(request(gpus=3, environment={"HOME": "/scratch"}), image)
    assert environment["HOME"] == "/scratch"
    assert environment["TEST_CPU_DEVICE_COUNT"] == "3"
    assert len(environment["VLLM_CPU_OMP_THREADS_BIND"].split("|")) == 3
    assert environment["PATH"].startswith("/opt/vllm/bin:")
    assert pod_environment(request(environment={"PATH": "/bin"}), image)["PATH"] == "/bin"


def test_parents_of_mounts_are_open_to_the_pod_s_user() -> None:
    mounts = (Mount("/deep/er/scratch"), Mount("/data", Path("/host/volume"), read_only=True))
    arguments = bubblewrap_options(request(mounts=mounts), table().resolve("x/vllm-openai"), lambda _content: 9)
    text = " ".join(arguments)
    assert "--perms 0755 --dir /deep --perms 0755 --dir /deep/er --perms 0777 --size 67108864 --tmpfs" in text
    assert "--ro-bind /host/volume /data" in text
    assert "--ro-bind /cache/engine /opt/vllm" in text
    assert "--perms 1777 --size 1073741824 --tmpfs /dev/shm" in text


def test_another_user_than_root_has_no_capability() -> None:
    arguments = bubblewrap_command(request(), table().resolve("x/vllm-openai"))
    assert "--bounding-set=-all" in arguments
    assert "--no-new-privs" in arguments
    assert "--clear-groups" in arguments


def stand_in(*arguments: str, **faults: str) -> StandIn:
    return StandIn(read_command_line(list(arguments)), {f"STAND_IN_{name}": value for name, value in faults.items()})


SERVE = ("serve", "/data/model", "--served-model-name", "one", "two", "--port=8001", "-tp", "2", "--headless")


def test_the_stand_in_reads_vllm_s_command_line() -> None:
    process = stand_in(*SERVE, "--pipeline_parallel_size", "2", "--no-such-flag", "x", "-cc.mode=1")
    assert process.served_names == ["one", "two"]
    assert (process.model, process.headless) == ("/data/model", True)
    assert process.address == ("0.0.0.0", 8001)
    assert process.answer("GET", "/get_world_size", {}, b"") == (200, {"world_size": 4})


def test_the_stand_in_answers_a_chat() -> None:
    body = json.dumps({"model": "two", "messages": []}).encode()
    status, document = stand_in(*SERVE).answer("POST", "/v1/chat/completions", {}, body)
    assert status == 200
    assert isinstance(document, dict)
    assert document["choices"][0]["message"]["role"] == "assistant"
    assert stand_in(*SERVE).answer("POST", "/v1/chat/completions", {}, b"{}")[0] == 400
    wrong = json.dumps({"model": "three", "messages": []}).encode()
    assert stand_in(*SERVE).answer("POST", "/v1/chat/completions", {}, wrong)[0] == 404


def test_the_stand_in_guards_v1_with_its_key() -> None:
    process = stand_in(*SERVE, "--api-key", "key")
    assert process.answer("GET", "/v1/models", {}, b"") == (401, {"error": "Unauthorized"})
    assert process.answer("GET", "/v1/models", {"authorization": "Bearer key"}, b"")[0] == 200
    assert process.answer("GET", "/health", {}, b"") == (200, None)


def test_the_stand_in_s_faults_hold_for_the_role_they_are_for() -> None:
    follower = stand_in(*SERVE, ROLE="follower", HEALTH_STATUS="503")
    leader = stand_in("serve", "/data/model", ROLE="follower", HEALTH_STATUS="503")
    assert follower.answer("GET", "/health", {}, b"")[0] == 503
    assert leader.answer("GET", "/health", {}, b"")[0] == 200
