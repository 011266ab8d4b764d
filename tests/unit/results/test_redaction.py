# Copyright (c) 2026, The gpuops.inference authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is masked, and what is not."""

from __future__ import annotations

import pytest
from ansible_collections.gpuops.inference.plugins.module_utils._results.redaction import MASK, Redactor, looks_secret


def test_a_secret_is_masked_wherever_it_stands_but_in_keys() -> None:
    redactor = Redactor(["s3cret-value"])
    value = {"a": ["x s3cret-value y"], "s3cret-value": 1}
    assert redactor.value(value) == {"a": [f"x {MASK} y"], "s3cret-value": 1}


def test_the_longer_of_two_secrets_is_masked_first() -> None:
    assert Redactor(["abcd", "abcdefgh"]).text("abcdefgh") == MASK


def test_short_values_are_no_secrets() -> None:
    assert Redactor(["no"]).text("no, not at all") == "no, not at all"


@pytest.mark.parametrize("word", ["true", "EMPTY", "test", "token"])
def test_a_guess_that_is_an_ordinary_word_masks_nothing(word: str) -> None:
    redactor = Redactor()
    redactor.learn_guesses(word)
    assert redactor.text(f"it is {word}") == f"it is {word}"


def test_a_longer_guess_is_masked() -> None:
    redactor = Redactor()
    redactor.learn_guesses("hf_0123456789")
    assert redactor.text("hf_0123456789") == MASK


@pytest.mark.parametrize("name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "OPENAI_API_KEY", "X_APIKEY"])
def test_names_that_look_secret(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["HOME", "TOKENIZERS_PARALLELISM", "NCCL_IB_HCA", "KEYBOARD", "MAX_TOKENS"])
def test_names_that_do_not(name: str) -> None:
    assert not looks_secret(name)
