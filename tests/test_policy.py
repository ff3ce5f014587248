"""The policy: a record that is read back as it was written, and the one function that decides."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import routectl
from routectl.errors import InputError, RoutectlError, RouterError
from routectl.policy import (
    POLICY_VERSION,
    Facts,
    PinnedRouter,
    Policy,
    Reason,
    config_string,
    decide,
    named_pair,
    needs_strong,
    threshold_value,
    without_score,
)
from routectl.records import Limits, ModelPair, RouterSpec

SPEC = RouterSpec("mf", "mf_9", ModelPair("gpt-4", "mixtral"), {"gpt-5": "gpt-4"})
ROUTER = PinnedRouter(SPEC, "f" * 64)
UNIT = st.floats(0, 1)
SEGMENTS = ("search", "support", None)


def two_models(threshold: str = "0.5", **parts: Any) -> Policy:
    values: dict[str, Any] = {
        "models": ("small", "large"),
        "routers": (ROUTER,),
        "thresholds": (threshold,),
        "extraction_version": 1,
    }
    return Policy(**values | parts)


def decimal(low: float, high: float) -> st.SearchStrategy[str]:
    """Thresholds, some of which scores meet exactly."""
    return st.floats(low, high).map(lambda value: f"{value:.3f}")


LIMITS = st.builds(
    Limits,
    context=st.none() | st.integers(1, 10**6),
    images=st.booleans(),
    tools=st.booleans(),
    response_format=st.booleans(),
)


SEGMENTED = {"segments": {"search": ("0.2",)}, "segment_field": "team"}


def version_of(policy: Policy) -> int:
    """The oldest version of the record that says the policy."""
    if policy.segment_field is not None or policy.unit != "request":
        return 3
    return 2 if policy.limits else 1


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy: K models, segments, all rules, modes and fallbacks."""
    models = draw(st.lists(st.none() | st.text(max_size=5), min_size=2, max_size=5).map(tuple))
    cuts = len(models) - 1
    low, high = (0.0, 1.0) if cuts == 1 else (-2.0, 2.0)
    thresholds = st.tuples(*[decimal(low, high)] * cuts)
    rule = draw(st.sampled_from(["threshold", "always_strong", "always_weak"]))
    unconditional = rule != "threshold"
    segments = {}
    if not unconditional:
        segments = draw(st.dictionaries(st.sampled_from(["search", "support"]), thresholds))
    return Policy(
        rule=rule,
        models=models,
        routers=(ROUTER,) * draw(st.sampled_from([1, cuts])),
        thresholds=() if unconditional else draw(thresholds),
        segments=segments,
        segment_field=draw(st.sampled_from([None, "team", "key_alias"])) if segments else None,
        unit="request" if unconditional else draw(st.sampled_from(["request", "conversation"])),
        limits=draw(
            st.dictionaries(
                st.sampled_from([model for model in models[:-1] if model] or ["none"]), LIMITS
            )
        )
        if any(models[:-1])
        else {},
        extraction_version=draw(st.integers(1, 9)),
        mode=draw(st.sampled_from([None, "live", "shadow", "canary=0.05"])),
        fallback=draw(st.sampled_from([None, "strong", "weak", "share"])),
        route=draw(st.none() | st.just("smart")),
        calibration_id=draw(st.none() | st.integers(1, 99)),
        activation_id=draw(st.none() | st.integers(1, 99)),
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


def naive(policy: Policy, scores: list[float], segment: str | None, needs: bool) -> tuple[int, str]:
    """What `decide` says of one request, written as it is told."""
    strongest = len(policy.models) - 1
    if policy.rule != "threshold":
        return (strongest if policy.rule == "always_strong" else 0), policy.rule
    if needs:
        return strongest, "needs_strong"
    model = 0
    for number in range(strongest):
        text = policy.segments.get(segment or "", policy.thresholds)[number]
        if scores[number if len(scores) > 1 else 0] >= float(text):
            model = number + 1
    return model, "segment_threshold" if segment in policy.segments else "threshold"


@given(policies().map(lambda policy: replace(policy, mode=None)), st.data())
def test_the_decisions_are_those_of_a_plain_loop(policy: Policy, data: st.DataObject) -> None:
    columns = data.draw(st.sampled_from([1, len(policy.models) - 1]))
    meeting = [float(t) for texts in (policy.thresholds, *policy.segments.values()) for t in texts]
    score = st.floats(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, *meeting])
    request = st.tuples(
        st.lists(score, min_size=columns, max_size=columns),
        st.sampled_from(SEGMENTS),
        st.booleans(),
    )
    requests = data.draw(st.lists(request, max_size=20))
    decisions = decide(
        policy,
        np.array([scores for scores, _, _ in requests]).reshape(len(requests), columns),
        Facts(
            segment=[segment for _, segment, _ in requests],
            needs_strong=np.array([needs for _, _, needs in requests], dtype=bool),
        ),
    )
    expected = [naive(policy, *request) for request in requests]
    assert list(zip(decisions.model.tolist(), decisions.reason, strict=True)) == expected
    assert decisions.name.tolist() == [policy.models[model] for model, _ in expected]
    assert decisions.probability.tolist() == [1.0] * len(requests)


@given(st.lists(UNIT, max_size=30), UNIT)
def test_between_two_models_a_request_is_strong_iff_its_score_is_at_least_the_threshold(
    scores: list[float], value: float
) -> None:
    text = f"{value:.17f}"
    policy = two_models(text)
    strong = np.array(scores, dtype=np.float64) >= float(text)
    assert (decide(policy, scores).model == strong).all()


def test_a_score_that_is_not_a_number_decides_nothing() -> None:
    with pytest.raises(RouterError, match="1 of 2 scores are NaN"):
        decide(two_models(), [0.5, np.nan])
    needs_strong = Facts(needs_strong=[False, True])
    assert decide(two_models(), [0.5, np.nan], needs_strong).reason.tolist() == [
        Reason.THRESHOLD,
        Reason.NEEDS_STRONG,
    ]


def ids(count: int) -> list[str]:
    return [f"id {number}" for number in range(count)]


@given(st.lists(UNIT, min_size=1, max_size=30), st.data())
def test_a_shadow_serves_the_strong_model_and_says_what_it_would_have_served(
    scores: list[float], data: st.DataObject
) -> None:
    needs = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    facts = Facts(needs_strong=needs)
    live = decide(two_models(mode="live"), scores, facts)
    shadow = decide(two_models(mode="shadow"), scores, facts)
    assert set(shadow.name) == {"large"}
    assert set(shadow.reason) == {Reason.SHADOW}
    assert shadow.probability.tolist() == [1.0] * len(scores)
    assert shadow.would_be.tolist() == live.model.tolist() == live.would_be.tolist()
    assert shadow.would_be_reason.tolist() == live.reason.tolist()


def test_a_canary_decides_its_share_and_all_others_are_strong() -> None:
    count = 20_000
    scores = np.tile([0.2, 0.8], count // 2)
    decisions = decide(two_models(mode="canary=0.05"), scores, Facts(conversation=ids(count)))
    inside = decisions.reason == Reason.THRESHOLD
    # Who is inside is a hash, so that this share is always the same.
    assert inside.mean() == pytest.approx(0.05, abs=0.005)
    assert set(decisions.reason) == {Reason.THRESHOLD, Reason.CANARY_OUT}
    weak = scores < 0.5
    assert (decisions.model == np.where(inside & weak, 0, 1)).all()
    assert (decisions.would_be == np.where(weak, 0, 1)).all()
    # A weak one is served the weak model with the canary's share, a strong one always its own.
    expected = np.where(weak, np.where(inside, 0.05, 0.95), 1.0)
    assert decisions.probability == pytest.approx(expected)


def test_a_canary_keeps_a_conversation_then_an_end_user_then_a_request() -> None:
    count = 2000
    policy, scores = two_models(mode="canary=0.5"), np.zeros(count)
    others = {"end_user": ids(count)[::-1], "request_id": ids(count)[::-1]}
    by_conversation = decide(policy, scores, Facts(conversation=["one"] * count, **others))
    assert len(set(by_conversation.model)) == 1
    by_user = decide(
        policy,
        scores,
        Facts(conversation=[None] * count, end_user=["anna"] * count, request_id=ids(count)),
    )
    assert len(set(by_user.model)) == 1
    by_request = decide(policy, scores, Facts(request_id=ids(count)))
    assert by_request.model.mean() == pytest.approx(0.5, abs=0.05)
    wider = decide(two_models(mode="canary=0.7"), scores, Facts(request_id=ids(count)))
    assert (wider.model <= by_request.model).all()
    assert set(decide(policy, scores).reason) == {Reason.CANARY_OUT}


@pytest.mark.parametrize("mode", ["live", "shadow", "canary=0.25"])
def test_the_probability_of_the_fallback_is_how_often_it_serves_that_model(mode: str) -> None:
    policy, count = two_models(mode=mode, fallback="share"), 8000
    served = [
        without_score(policy, 0.3, key.encode(), Reason.TIMEOUT, Facts(request_id=[key]))
        for key in ids(count)
    ]
    weak = [float(one.probability[0]) for one in served if one.model[0] == 0]
    strong = [float(one.probability[0]) for one in served if one.model[0] == 1]
    share = {"live": 0.7, "shadow": 0.0, "canary=0.25": 0.175}[mode]
    assert len(weak) / count == pytest.approx(share, abs=0.02)
    assert set(np.round(weak, 12)) <= {share}
    assert set(np.round(strong, 12)) == {round(1 - share, 12)}
    assert {str(one.would_be_reason[0]) for one in served} == {"timeout"}


@pytest.mark.parametrize("rule", ["always_strong", "always_weak"])
def test_an_unconditional_policy_gives_every_request_its_model_in_any_mode(rule: str) -> None:
    decisions = decide(two_models(rule=rule, thresholds=(), mode="shadow"), [0.5, 0.5])
    assert set(decisions.reason) == {rule}


@pytest.mark.parametrize(
    ("limits", "needs"),
    [
        (Limits(), [False, False, False, False, False]),
        (Limits(context=1000), [False, True, False, False, False]),
        (Limits(images=False), [False, False, True, False, False]),
        (Limits(tools=False), [False, False, False, True, False]),
        (Limits(response_format=False), [False, False, False, False, True]),
        (Limits(context=999, tools=False), [True, True, False, True, False]),
    ],
)
def test_a_request_needs_the_strong_model_where_a_weaker_one_cannot_take_it(
    limits: Limits, needs: list[bool]
) -> None:
    answers = needs_strong(
        [limits],
        tokens=[1000, 1001, 5, 5, np.nan],
        images=[0, 0, 1, 0, 0],
        tools=[0, 0, 0, 3, 0],
        response_format=[False, False, False, False, True],
    )
    assert answers.tolist() == needs


def test_scores_and_facts_of_another_shape_are_refused() -> None:
    three = two_models(models=("s", "m", "l"), thresholds=("0.1", "0.2"))
    with pytest.raises(ValueError, match="3 models take"):
        decide(three, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="one length"):
        decide(three, np.zeros((4, 2)), Facts(segment=["search"]))


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
