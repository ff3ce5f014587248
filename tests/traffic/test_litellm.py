"""StandardLoggingPayload: every trap of the format has its answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from routectl.errors import InputError
from routectl.records import Exclusion
from routectl.request import TrafficRequest

from .conftest import ReadLog, payload


def test_all_that_the_log_knows_arrives(read_log: ReadLog) -> None:
    assert read_log([payload()]).requests == [
        TrafficRequest(
            source_kind="litellm",
            source_id="chatcmpl-1",
            text="Hi",
            time=datetime(2025, 1, 24, 9, 20, 46, 847371, tzinfo=UTC),
            model_group="gpt-4o",
            call_type="acompletion",
            status="success",
            cache_hit=False,
            team="search",
            key_alias="search-prod",
            end_user="kim",
            tags=("eu", "User-Agent: curl"),
            conversation="trace-1",
            call_id="call-1",
            tokens_in=10,
            tokens_out=20,
            cost=0.000225,
            model="gpt-4o-2024-08-06",
        )
    ]


MOMENT = datetime(2025, 1, 24, 9, 20, 46, 847371, tzinfo=UTC)
TIMES: list[tuple[object, datetime | None]] = [
    (1737710446.847371, MOMENT),
    ("1737710446.847371", MOMENT),
    (1737710446847.371, MOMENT),
    (1737710446847371, MOMENT),
    ("2025-01-24 09:20:46.847371", MOMENT),
    ("2025-01-24T09:20:46.847371Z", MOMENT),
    ("2025-01-24T10:20:46.847371+01:00", MOMENT),
    (None, None),
    ("None", None),
    ("", None),
    (0, None),
    (-5, None),
    (True, None),
    ("soon", None),
    ([], None),
    ("0001-01-01T00:00:00+14:00", None),
    ("10000-01-01", None),
]


@pytest.mark.parametrize(("written", "expected"), TIMES)
def test_times_are_epochs_or_text_and_always_become_utc(
    read_log: ReadLog, written: object, expected: datetime | None
) -> None:
    (request,) = read_log([payload(startTime=written)]).requests
    assert request.time == expected
    assert request.time is None or request.time.tzinfo is UTC


@pytest.mark.parametrize("absent", [None, "None", "", "null", " none "])
def test_absent_values_are_absent_however_they_are_written(
    read_log: ReadLog, absent: object
) -> None:
    line = payload(
        id=absent,
        litellm_call_id=absent,
        trace_id=absent,
        call_type=absent,
        status=absent,
        model_group=absent,
        model=absent,
        end_user=absent,
        metadata={"user_api_key_team_alias": absent, "user_api_key_alias": absent},
        request_tags=[absent],
        response_cost=absent,
        prompt_tokens=absent,
    )
    (request,) = read_log([line]).requests
    assert (request.call_id, request.conversation, request.call_type) == (None, None, None)
    assert (request.model_group, request.team, request.key_alias) == (None, None, None)
    assert (request.end_user, request.tags, request.status) == (None, (), None)
    assert (request.cost, request.tokens_in) == (None, None)
    assert len(request.source_id) == 32


def test_fields_of_the_wrong_type_are_absent(read_log: ReadLog) -> None:
    line = payload(
        metadata=["x"], request_tags="eu", prompt_tokens=-1, completion_tokens="20", status=[]
    )
    (request,) = read_log([line]).requests
    assert (request.team, request.tags, request.status) == (None, (), None)
    assert (request.tokens_in, request.tokens_out) == (None, 20)


def test_ids_stand_in_for_aliases_and_the_model_for_its_group(read_log: ReadLog) -> None:
    line = payload(model_group="", metadata={"user_api_key_team_id": "team-17"}, end_user="")
    (request,) = read_log([line]).requests
    assert (request.team, request.model_group) == ("team-17", "gpt-4o-2024-08-06")


@pytest.mark.parametrize(
    ("written", "expected"), [(True, True), ("True", True), (False, False), ("None", False)]
)
def test_a_cache_hit_is_flagged(read_log: ReadLog, written: object, expected: bool) -> None:
    (request,) = read_log([payload(cache_hit=written)]).requests
    assert request.cache_hit is expected


def test_a_failure_is_kept_and_flagged(read_log: ReadLog) -> None:
    (request,) = read_log([payload(status="failure", response=None)]).requests
    assert (request.status, request.text) == ("failure", "Hi")


@pytest.mark.parametrize(
    "own", [{"trace_id": "call-1"}, {"trace_id": "chatcmpl-1"}, {"trace_id": "None"}]
)
def test_a_trace_that_is_only_the_call_itself_is_no_conversation(
    read_log: ReadLog, own: dict[str, object]
) -> None:
    (request,) = read_log([payload(**own)]).requests
    assert request.conversation is None


def test_a_session_is_the_conversation_before_a_trace(read_log: ReadLog) -> None:
    (request,) = read_log([payload(session_id="talk")]).requests
    assert request.conversation == "talk"


def test_what_is_no_chat_is_counted_by_call_type_and_not_rejected(read_log: ReadLog) -> None:
    found = read_log(
        [
            payload(call_type="aembedding", messages=None),
            payload(),
            payload(call_type="aembedding"),
            payload(call_type="image_generation"),
        ]
    )
    assert found.texts == ["Hi"]
    assert found.counts.skipped == {"call type aembedding": 2, "call type image_generation": 1}
    assert (found.counts.rows, found.counts.rejected) == (4, 0)


@pytest.mark.parametrize(
    ("call_type", "messages"),
    [
        ("completion", [{"role": "user", "content": "Hi"}]),
        ("atext_completion", "Hi"),
        ("aresponses", "Hi"),
        ("aresponses", [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]),
        ("anthropic_messages", [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]),
        (None, [{"role": "user", "content": "Hi"}]),
    ],
)
def test_every_chat_endpoint_has_its_prompt_under_messages(
    read_log: ReadLog, call_type: str | None, messages: object
) -> None:
    assert read_log([payload(call_type=call_type, messages=messages)]).texts == ["Hi"]


def test_a_call_of_a_classifier_has_an_empty_type_and_is_no_clients(read_log: ReadLog) -> None:
    found = read_log([payload(), payload(call_type=""), payload(call_type="", status="failure")])
    assert [request.status for request in found.requests] == ["success", "failure"]
    assert sum(found.counts.skipped.values()) == 1


NO_CLIENTS: dict[str, dict[str, object]] = {
    "a health check": {"metadata": {"user_api_key_alias": "litellm-internal-health-check"}},
    "a tagged health check": {"request_tags": ["litellm-internal-health-check"]},
    "a judge": {"metadata": {"internal_call_origin": "shadow_eval_judge"}},
    "a mirrored call": {"metadata": {"is_silent_experiment": True}},
    "a mirrored call, as a client's metadata": {
        "metadata": {"requester_metadata": {"is_silent_experiment": True}}
    },
}


@pytest.mark.parametrize("fields", NO_CLIENTS.values(), ids=NO_CLIENTS.keys())
@pytest.mark.parametrize("make", ["payload", "spend log"])
def test_calls_that_no_client_made_are_left_out_and_counted(
    read_log: ReadLog, make: str, fields: dict[str, object]
) -> None:
    line = payload(**fields)
    if make == "spend log":
        line = {"request_id": line.pop("id"), **line, "proxy_server_request": {}}
    found = read_log([line])
    assert found.requests == []
    assert sum(found.counts.skipped.values()) == 1


def test_the_plug_ins_decision_is_read_whole(read_log: ReadLog) -> None:
    entry = {
        "route": "smart",
        "activation": "a7",
        "decision": "strong",
        "model": "gpt-5",
        "score": 0.25,
        "fingerprint": "ab12",
        "extraction_version": 2,
        "reason": "shadow",
        "would_be": "weak",
        "would_be_reason": "threshold",
    }
    metadata = {"spend_logs_metadata": {"routectl": entry, "other": 1}}
    log = {"request_id": "1", "call_type": "acompletion", "metadata": json.dumps(metadata)}
    for line in (payload(metadata=metadata, model_group="smart"), log):
        (request,) = read_log([line]).requests
        assert {
            "route": request.proxy_route,
            "activation": request.proxy_activation,
            "decision": request.proxy_decision,
            "model": request.proxy_model,
            "score": request.proxy_score,
            "fingerprint": request.proxy_fingerprint,
            "extraction_version": request.proxy_extraction_version,
            "reason": request.proxy_reason,
            "would_be": request.proxy_would_be,
            "would_be_reason": request.proxy_would_be_reason,
        } == entry


DECIDED = {
    "route": "smart",
    "decision": "strong",
    "model": "gpt-5",
    "score": 0.75,
    "reason": "threshold",
    "activation": "a7",
}


@pytest.mark.parametrize(
    ("written", "cause", "fields", "expected"),
    [
        (DECIDED, "classifier_plugin", {}, ("strong", "gpt-5", "threshold", "smart")),
        (DECIDED, None, {}, ("strong", "gpt-5", "threshold", "smart")),
        # The plug-in gave no answer, or LiteLLM did not follow it.
        ({}, "default_model_fallback", {}, ("mini", "mini", "overridden", "smart")),
        (DECIDED, "health_failover", {}, ("mini", "mini", "overridden", "smart")),
        # The strong model failed, and another group answered.
        (
            DECIDED,
            "classifier_plugin",
            {"model_group": "mini"},
            ("strong", "gpt-5", "fallback", "smart"),
        ),
        (DECIDED, None, {"model_group": "mini"}, ("strong", "gpt-5", "fallback", "smart")),
        (
            DECIDED,
            "classifier_plugin",
            {"cache_hit": True},
            (None, None, "cache_hit", "smart"),
        ),
        # A router of LiteLLM's that routectl has nothing to do with.
        (None, "heuristic_scorer", {}, ("mini", "mini", None, None)),
    ],
)
def test_rows_that_something_else_than_the_policy_decided_are_told_apart(
    read_log: ReadLog, written: object, cause: str | None, fields: dict[str, Any], expected: object
) -> None:
    metadata: dict[str, Any] = {}
    if written is not None:
        metadata["spend_logs_metadata"] = {"routectl": written}
    if cause is not None:
        routing = {"routed_model": "mini", "router_model_name": "smart", "cause": cause}
        metadata["routing_decision"] = routing
    row = {"model_group": "smart", "metadata": metadata, **fields}
    log = {"request_id": "1", "call_type": "acompletion", **row, "metadata": json.dumps(metadata)}
    for line in (payload(**row), log):
        (request,) = read_log([line]).requests
        assert (
            request.proxy_decision,
            request.proxy_model,
            request.proxy_reason,
            request.proxy_route,
        ) == expected


@pytest.mark.parametrize(
    ("group", "expected"),
    [("smart", "mini"), ("backup", "azure/my-mini-deployment")],
)
def test_of_a_routed_row_the_model_has_the_name_that_the_route_knows(
    read_log: ReadLog, group: str, expected: str
) -> None:
    routing = {"routed_model": "mini", "router_model_name": "smart", "cause": "classifier_plugin"}
    metadata = {"spend_logs_metadata": {"routectl": DECIDED}, "routing_decision": routing}
    row = {"model_group": group, "model": "azure/my-mini-deployment", "metadata": metadata}
    log = {"request_id": "1", "call_type": "acompletion", **row, "metadata": json.dumps(metadata)}
    for line in (payload(**row), log):
        (request,) = read_log([line]).requests
        assert request.model == expected


@pytest.mark.parametrize("written", ["smart", {"routectl": "smart"}, {"routectl": None}, {}])
def test_what_is_no_entry_of_the_plug_in_decides_nothing(
    read_log: ReadLog, written: object
) -> None:
    (request,) = read_log([payload(metadata={"spend_logs_metadata": written})]).requests
    assert (request.proxy_route, request.proxy_decision) == (None, None)


def test_what_a_request_needs_of_a_model_is_read(read_log: ReadLog) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}}
    said = [{"type": "text", "text": "What is it?"}, image, image]
    parameters = {"tools": [{}, {}], "response_format": {"type": "json_schema"}}
    (request,) = read_log([payload(said, model_parameters=parameters)]).requests
    assert (request.images, request.tools, request.response_format) == (2, 2, "json_schema")
    (request,) = read_log([payload(model_parameters={"temperature": 1})]).requests
    assert (request.images, request.tools, request.response_format) == (None, None, None)


def test_claude_codes_session_is_the_conversation(read_log: ReadLog) -> None:
    session = "aaaaaaaa-0000-0000-0000-000000000001"
    old = f"user_{'ab' * 32}_account_11111111-2222-3333-4444-555555555555_session_{session}"
    new = json.dumps({"device_id": "d1", "account_uuid": "", "session_id": session})
    users = []
    for end_user in (old, new):
        (request,) = read_log([payload(end_user=end_user)]).requests
        assert request.conversation == session
        users.append(request.end_user)
    assert users == [f"user_{'ab' * 32}", "d1"]


def test_a_redacted_prompt_is_no_prompt(read_log: ReadLog) -> None:
    (request,) = read_log([payload("redacted-by-litellm")]).requests
    assert (request.text, request.exclusion) == (None, Exclusion.REDACTED)
    assert read_log([payload("What does redacted-by-litellm mean?")]).texts != [None]


@pytest.mark.parametrize(
    "messages",
    [
        "a... (litellm_truncated 3000 chars) ...b",
        "a... (litellm_truncated skipped 3000 chars) ...b",
        "a... (litellm_truncated skipped 3000 chars. Truncation is a DB storage safeguard.) ...b",
        "[{'role': 'user', 'con...truncated by litellm, this logger does not support large content",
        "[truncated by litellm]...content': 'Hi'}]",
    ],
)
def test_a_prompt_of_which_the_log_kept_a_part_is_never_scored(
    read_log: ReadLog, messages: str
) -> None:
    for shape in (messages, [{"role": "user", "content": messages}]):
        (request,) = read_log([payload(messages=shape)]).requests
        assert (request.text, request.exclusion) == (None, Exclusion.TRUNCATED)


def test_a_prompt_about_truncation_is_whole(read_log: ReadLog) -> None:
    assert read_log([payload("What is litellm_truncated?")]).texts == ["What is litellm_truncated?"]


@pytest.mark.parametrize("messages", [None, [], {}, "", [{"role": "system", "content": "Brief"}]])
def test_a_request_without_human_text_is_kept_and_excluded(
    read_log: ReadLog, messages: object
) -> None:
    (request,) = read_log([payload(messages=messages)]).requests
    assert (request.text, request.exclusion) == (None, Exclusion.NO_TEXT)


def test_the_proxys_own_routing_decision_is_read(read_log: ReadLog) -> None:
    decision = {"router_type": "complexity", "routed_model": "gpt-4o-mini", "score": 0.25}
    (request,) = read_log([payload(metadata={"routing_decision": decision})]).requests
    assert (request.proxy_decision, request.proxy_score) == ("gpt-4o-mini", 0.25)


def test_no_name_holds_what_a_database_refuses(read_log: ReadLog) -> None:
    line = payload(id="a\0b", trace_id="x\ud83d", end_user="\0", request_tags=["t\0"])
    (request,) = read_log([line]).requests
    assert (request.source_id, request.conversation) == ("a\ufffdb", "x\ufffd")
    assert (request.end_user, request.tags) == ("\ufffd", ("t\ufffd",))


def test_a_name_beyond_what_an_index_holds_is_cut_and_stays_distinct(read_log: ReadLog) -> None:
    first, second = read_log([payload(id="ü" * 600 + "1"), payload(id="ü" * 600 + "2")]).requests
    assert len(first.source_id) == len(second.source_id) == 512
    assert first.source_id != second.source_id


def test_an_integer_beyond_any_database_is_absent(read_log: ReadLog) -> None:
    line = payload(prompt_tokens=10**30, completion_tokens=2**63 - 1, response_cost=10**400)
    (request,) = read_log([line]).requests
    assert (request.tokens_in, request.cost) == (None, None)


def test_an_object_that_is_no_payload_is_rejected_with_the_reason(read_log: ReadLog) -> None:
    found = read_log([payload(), {"request_id": "1", "call_type": "acompletion"}, [1]])
    assert found.texts == ["Hi"]
    assert [reject.line for reject in found.rejects] == [2, 3]
    assert "no `id` and `call_type`" in found.rejects[0].reason


def test_a_file_of_spend_logs_is_not_taken_for_this(read_log: ReadLog) -> None:
    row = {"request_id": "1", "call_type": "acompletion", "messages": "{}", "model": "m"}
    with pytest.raises(InputError, match=r"No row .* as litellm"):
        read_log([row], format="litellm")
