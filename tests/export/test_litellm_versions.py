"""Which releases of LiteLLM the plug-in and `doctor` take."""

from __future__ import annotations

import pytest

from routectl.export.litellm_check import version_fault


@pytest.mark.parametrize("version", ["1.99.0", "1.108.7", "1.110.0rc1", "2.0.0"])
def test_releases_with_the_plug_in_are_taken(version: str) -> None:
    assert version_fault(version) is None


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.98.9", "no classifier plug-in"),
        ("0.1", "no classifier plug-in"),
        ("1.82.7", "malicious or withdrawn"),
        ("1.107.0", "malicious or withdrawn"),
    ],
)
def test_older_malicious_and_withdrawn_ones_are_not(version: str, words: str) -> None:
    assert words in str(version_fault(version))
