"""The record of a policy: read back as it was written; nothing else makes config strings."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import routectl
from routectl.errors import InputError, RoutectlError
from routectl.policy import (
    POLICY_VERSION,
    Policy,
    config_string,
    named_pair,
    threshold_value,
)
from routectl.records import Limits, ModelPair, RouterSpec
from tests.policy.policies import (
    SEGMENTED,
    SPEC,
    UNIT,
    policies,
    two_models,
    version_of,
)


@given(policies())
def test_a_policy_is_read_back_as_it_was_written(policy: Policy) -> None:
    stored = json.loads(json.dumps(policy.to_json()))
    assert stored["version"] == version_of(policy) <= POLICY_VERSION
    assert Policy.from_json(stored) == policy


def test_the_record_of_version_2_adds_what_models_cannot_take() -> None:
    limits = {"small": Limits(context=8000, images=False)}
    record = {"context": 8000, "images": False, "tools": True, "response_format": True}
    assert two_models(limits=limits).to_json() == {
        **two_models().to_json(),
        "version": 2,
        "limits": {"small": record},
    }


def test_the_record_of_version_3_adds_whose_the_segments_are_and_what_is_scored() -> None:
    policy = two_models(**SEGMENTED, unit="conversation")
    assert policy.to_json() == {
        **two_models().to_json(),
        "version": 3,
        "segments": {"search": ["0.2"]},
        "segment_field": "team",
        "unit": "conversation",
        "limits": {},
    }


def test_segments_without_a_field_stay_the_record_that_they_were() -> None:
    record = two_models(segments={"search": ("0.2",)}).to_json()
    assert record == two_models().to_json() | {"segments": {"search": ["0.2"]}}


def test_the_record_of_version_1_never_changes() -> None:
    assert two_models().to_json() == {
        "version": 1,
        "rule": "threshold",
        "models": ["small", "large"],
        "routers": [
            {
                "spec": {
                    "name": "mf",
                    "checkpoint": "mf_9",
                    "model_pair": {"strong": "gpt-4", "weak": "mixtral"},
                    "mapping": {"gpt-5": "gpt-4"},
                },
                "fingerprint": "f" * 64,
            }
        ],
        "thresholds": ["0.5"],
        "segments": {},
        "extraction_version": 1,
        "mode": None,
        "fallback": None,
        "route": None,
        "calibration_id": None,
        "activation_id": None,
    }


LIMITED = {"context": None, "images": False, "tools": True, "response_format": True}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 4}, "version 4 cannot be read.*up to 3: install a newer routectl"),
        ({"version": 2}, r"other keys than version 2 has"),
        ({"version": 2, "limits": {}}, r"other keys than version 2 has"),
        ({"limits": {"small": LIMITED}}, r"other keys than version 1 has"),
        ({"version": 2, "limits": {"large": LIMITED}}, "of other models than its weaker ones"),
        ({"version": 2, "limits": {"small": LIMITED | {"context": 0}}}, "no number of tokens"),
        ({"version": 2, "limits": {"small": LIMITED | {"audio": 1}}}, "other keys.*in its"),
        ({"version": 3}, r"other keys than version 3 has"),
        ({"segment_field": "team"}, "names the field team and no segment"),
        ({"unit": "request"}, r"other keys than version 1 has \(unit\)"),
        ({"unit": "day"}, "the unit day is none of request, conversation"),
        (SEGMENTED | {"segment_field": "city"}, "the segments' field city is none of team"),
        ({"version": None}, "no JSON object with a version"),
        ({"surprise": 1}, r"other keys than version 1 has \(surprise\)"),
        ({"routers": [{"spec": {"name": "mf"}, "fingerprint": "f"}]}, "other keys.*routers"),
        ({"thresholds": [0.5]}, "a value is not what version 1 has"),
        ({"thresholds": ["5e-1"]}, "'5e-1' is no plain decimal between 0 and 1"),
        ({"thresholds": ["nan"]}, "'nan' is no plain decimal"),
        ({"thresholds": ["-0.0"]}, "'-0.0' is no plain decimal"),
        ({"thresholds": ["1.5"]}, "'1.5' is no plain decimal between 0 and 1"),
        ({"thresholds": ["\u0661.5"]}, "is no plain decimal"),
        ({"models": ["s", "m", "l"], "thresholds": ["0.1", "9" * 400]}, "is no plain decimal"),
        ({"thresholds": []}, "2 models take 1 thresholds, and there are 0"),
        ({"segments": {"search": ["0.1", "0.2"]}}, "there are 2 in segment search"),
        ({"models": ["one"]}, "two models or more, not 1"),
        ({"routers": []}, "take one router or 1, not 0"),
        ({"rule": "perhaps"}, "the rule perhaps is none of threshold"),
        ({"rule": "always_weak"}, "the rule always_weak takes no thresholds"),
        ({"mode": "canary=5"}, "the mode canary=5 is not"),
        ({"mode": "canary=0.0"}, "the mode canary=0.0 is not"),
        ({"fallback": "both"}, "the fallback both is none of"),
        ({"extraction_version": 0}, "no extraction version 0"),
        ({"extraction_version": True}, "a value is not what version 1 has"),
    ],
)
def test_a_record_that_is_no_policy_is_refused_in_one_sentence(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Policy.from_json(two_models().to_json() | change)


def test_a_record_that_lacks_a_key_is_refused() -> None:
    for key in two_models().to_json():
        record = two_models().to_json()
        del record[key]
        with pytest.raises(InputError):
            Policy.from_json(record)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(policies(), st.data())
def test_no_json_value_makes_a_reader_fail_in_another_way(
    policy: Policy, data: st.DataObject
) -> None:
    record = policy.to_json()
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(JSON)
    for value in (record, data.draw(JSON)):
        with suppress(InputError):
            Policy.from_json(value)


def test_a_config_string_says_one_threshold_between_two_models() -> None:
    assert two_models("0.11593").config_string() == "router-mf-0.11593"
    always = {"thresholds": (), "route": "smart"}
    assert two_models(rule="always_strong", **always).config_string() == "router-mf-0.0"
    for policy, message in (
        (two_models(rule="always_weak", **always), "'smart' is set to always-weak"),
        (two_models(rule="always_strong", routers=(), **always), "never had a router"),
        (two_models(segments={"search": ("0.2",)}), "segments or more models"),
        (two_models(unit="conversation"), "scores the last text of each request"),
        (two_models(models=("s", "m", "l"), thresholds=("0.1", "0.2")), "more models"),
    ):
        with pytest.raises(RoutectlError, match=message):
            policy.config_string()


@given(UNIT)
def test_a_proxy_reads_a_config_string_as_the_policy_s_threshold(value: float) -> None:
    text = f"{value:.6f}"
    _, name, threshold = config_string("sw_ranking", text).split("-", 2)
    assert (name, float(threshold)) == ("sw_ranking", threshold_value(text))


def test_a_mapped_model_goes_by_the_name_that_the_user_gave_it() -> None:
    assert named_pair(SPEC) == ModelPair("gpt-5", "mixtral")
    assert named_pair(RouterSpec("length")) is None


def makes_a_config_string(path: Path) -> bool:
    """Whether a module has a text, other than a docstring, that begins like a config string."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return any(
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
        and "router-" in node.value
        for node in ast.walk(tree)
    )


def test_only_the_policy_makes_config_strings() -> None:
    package = Path(routectl.__file__).parent
    makers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if makes_a_config_string(path)
    }
    assert makers == {"policy/record.py"}


def test_reading_a_policy_imports_no_numpy() -> None:
    code = (
        "import json, sys; from routectl.policy import Policy; "
        "print(Policy.from_json(json.load(sys.stdin)).config_string(), 'numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(two_models().to_json()),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "router-mf-0.5 False\n"
