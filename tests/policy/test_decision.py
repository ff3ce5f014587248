"""The one function that decides, by a policy, scores and facts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import RouterError
from routectl.policy import (
    Facts,
    Policy,
    Reason,
    decide,
    needs_strong,
    without_score,
)
from routectl.records import Limits
from tests.policy.policies import (
    SEGMENTS,
    UNIT,
    policies,
    two_models,
)


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
