# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the engine's environment: has vLLM's own parser and configuration judge command lines.

Reads {"lines": [{"words": [...], "configure": true}, ...]} from standard input and writes one JSON object to the file
named by the first argument: the parser's option strings, and for each line what vLLM understood or why it refused.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.utils.argparse_utils import FlexibleArgumentParser

# The parser's module up to 0.32, and from 0.33 on.
PARSER_MODULES = ("vllm.entrypoints.launchers.cli_args", "vllm.entrypoints.common.cli_args")
UNDERSTOOD = (
    "model_tag",
    "served_model_name",
    "host",
    "port",
    "headless",
    "api_server_count",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "nnodes",
    "node_rank",
    "master_addr",
    "master_port",
    "distributed_executor_backend",
    "distributed_timeout_seconds",
    "shutdown_timeout",
)
CONFIGURED = ("world_size", "nnodes_within_dp", "node_rank_within_dp", "data_parallel_rank", "data_parallel_size_local")


def parser_module() -> Any:
    """Return vLLM's module with the parser of ``vllm serve``."""
    for name in PARSER_MODULES:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith(str(error.name)):
                raise
    raise ModuleNotFoundError(f"none of {PARSER_MODULES}")


def judge(parser: FlexibleArgumentParser, validate: Any, line: dict[str, Any]) -> dict[str, Any]:
    """Return what vLLM makes of one command line (the words after ``vllm serve``)."""
    try:
        arguments = parser.parse_args(line["words"])
        validate(arguments)
    except (SystemExit, TypeError, ValueError) as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    answer: dict[str, Any] = {"understood": {name: getattr(arguments, name) for name in UNDERSTOOD}}
    if line["configure"]:
        # As `vllm serve` itself does with its positional argument.
        arguments.model = arguments.model_tag
        try:
            configuration = AsyncEngineArgs.from_cli_args(arguments).create_engine_config(headless=arguments.headless)
        except (AssertionError, ValueError) as error:
            return {"refused": f"{type(error).__name__}: {error}"}
        answer["configured"] = {name: getattr(configuration.parallel_config, name) for name in CONFIGURED}
    return answer


def main() -> None:
    """Judge all lines."""
    module = parser_module()
    parser = module.make_arg_parser(FlexibleArgumentParser())
    options = sorted(option for action in parser._actions for option in action.option_strings)
    answers = [judge(parser, module.validate_parsed_serve_args, line) for line in json.load(sys.stdin)["lines"]]
    Path(sys.argv[1]).write_text(json.dumps({"options": options, "answers": answers}), encoding="utf-8")


if __name__ == "__main__":
    main()
