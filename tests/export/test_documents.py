"""What `routectl export` wrote as a document is told from what somebody else wrote."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import RoutectlError
from routectl.export import Exported, document, is_exported
from routectl.policy import Policy
from tests.policy.policies import policies, two_models


@given(
    policies(),
    st.booleans(),
    st.none() | st.floats(0, 1),
    st.none() | st.just(datetime(2030, 1, 1, tzinfo=UTC)),
    st.sampled_from(["env", "json", "yaml"]),
)
def test_every_document_of_every_policy_is_ours(
    policy: Policy, recorded: bool, share: float | None, expires: datetime | None, format: str
) -> None:
    try:
        text = document(Exported(policy, recorded, share, expires), format)
    except RoutectlError:
        return  # an env file holds no such name
    assert is_exported(text.encode())


@pytest.mark.parametrize("format", ["env", "json", "yaml"])
def test_a_document_of_the_first_version_is_ours(format: str) -> None:
    text = document(Exported(two_models(), False, 0.3), format)
    lines = [line for line in text.splitlines(True) if "scored_as" not in line.lower()]
    assert is_exported("".join(lines).encode())


def test_what_is_no_text_or_has_no_end_of_depth_is_not() -> None:
    text = document(Exported(two_models(), True, 0.3), "env").encode()
    deep = b'{"config_string":' + b"[" * 100_000
    for content in (b"", b"\xff" + text, deep, b"config_string: " + b"[" * 5_000):
        assert not is_exported(content)
