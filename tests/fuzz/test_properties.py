"""Any input is read or refused in a sentence, and damage never makes a wrong answer."""

from __future__ import annotations

import pytest

from tests.fuzz.properties import PROPERTIES
from tests.fuzz.run import fuzz


@pytest.mark.parametrize("name", PROPERTIES)
def test_the_property_holds_of_a_few_inputs(name: str) -> None:
    check, examples = PROPERTIES[name]
    fuzz(check, examples)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROPERTIES)
def test_the_property_holds_of_many_inputs(name: str) -> None:
    check, examples = PROPERTIES[name]
    fuzz(check, 4 * examples, derandomize=False, start=1)
