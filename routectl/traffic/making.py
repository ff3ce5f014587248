"""Values of a log -> a request: what all readers but LiteLLM's, which has to be quick, share."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar

from msgspec import structs

from routectl.extraction import BODY_KEYS, extract, holds_turns
from routectl.needs import UNKNOWN, needs_of
from routectl.records import Exclusion
from routectl.request import TrafficRequest
from routectl.traffic.envelopes import rows
from routectl.traffic.fields import (
    Named,
    count,
    decoded,
    dollars,
    flag,
    mapping,
    name,
    names,
    text,
    user_and_session,
)
from routectl.traffic.rows import Format, Head, Row, RowError, Skip
from routectl.traffic.source import Source
from routectl.traffic.tables import is_table, table_rows
from routectl.traffic.times import instant

T = TypeVar("T")

FACTS: dict[str, tuple[str, ...]] = {
    "id": ("id", "requestid", "uuid"),
    "time": (
        *("time", "timestamp", "createdat", "starttime", "requesttime", "datetime", "date"),
        *("requestedat", "created", "ts"),
    ),
    "conversation": (
        *("conversation", "conversationid", "session", "sessionid", "thread", "threadid"),
        *("chatid", "traceid"),
    ),
    "model_group": ("modelgroup", "model", "modelname", "modelid", "deployment"),
    "team": ("team", "teamalias", "teamname", "teamid"),
    "key_alias": ("keyalias", "apikeyalias"),
    "end_user": ("enduser", "user", "userid"),
    "tags": ("tags", "requesttags"),
    "call_id": ("callid", "litellmcallid"),
    "call_type": ("calltype",),
    "status": ("status",),
    "cache_hit": ("cachehit",),
    "tokens_in": ("tokensin", "prompttokens", "inputtokens", "inputtokencount"),
    "tokens_out": ("tokensout", "completiontokens", "outputtokens", "outputtokencount"),
    "cost": ("cost", "spend", "responsecost", "totalcost", "costusd"),
}
"""For each fact, the names that fields next to a prompt usually have, in plain spelling."""

_AROUND_COUNTS = ("usage", "token_usage", "tokenUsage", "usageDetails")


def facts_of(*records: Mapping[str, Any]) -> dict[str, Any]:
    """Return what some objects say of a request under usual names; the first to have it counts.

    Tokens may also be in `usage`, and what is the log's own in `metadata`.
    """
    inner: list[Mapping[str, Any]] = []
    for record in records:
        inner.append(record)
        inner += [
            held for key in _AROUND_COUNTS if isinstance(held := decoded(record.get(key)), dict)
        ]
    inner += [mapping(decoded(record.get("metadata"))) for record in records]
    named = Named(*inner)
    return {fact: named.get(*spellings) for fact, spellings in FACTS.items()}


def request_of(
    row: Row,
    kind: str,
    turns: object,
    *,
    body: Mapping[str, Any] | None = None,
    exclusion: Exclusion | None = None,
    id: object = None,
    time: object = None,
    model_group: object = None,
    call_type: object = None,
    status: object = None,
    cache_hit: object = None,
    team: object = None,
    key_alias: object = None,
    end_user: object = None,
    tags: object = None,
    call_id: object = None,
    tokens_in: object = None,
    tokens_out: object = None,
    cost: object = None,
    conversation: object = None,
) -> TrafficRequest:
    """Make a request of the values of a row, each as the log has it.

    What cannot be read is counted at the row's source.

    Args:
        kind: The format's name.
        turns: What the prompt is extracted from: a body, turns or a text.
        body: The request body, where the row has it: what it needs of a model is read off it.
        exclusion: Why there is no prompt, where the log says so.
        id: Unique for ever; None or a mere counter gives an id of the row's content.
        conversation: Its id.
    """
    prompt = None if exclusion is not None else prompt_of(turns)
    needs = UNKNOWN if body is None else needs_of(body)
    user, session = user_and_session(text(end_user))
    row_id = text(id)
    return TrafficRequest(
        source_kind=kind,
        source_id=row.content_id(place=row_id) if row_id is None or is_counter(row_id) else row_id,
        text=prompt,
        exclusion=exclusion or (Exclusion.NO_TEXT if prompt is None else None),
        time=time_of(row, time),
        model_group=name(model_group),
        call_type=name(call_type),
        status=outcome(status),
        cache_hit=flag(cache_hit),
        team=name(team),
        key_alias=name(key_alias),
        end_user=name(user),
        tags=tags_of(tags),
        conversation=session or text(conversation),
        call_id=text(call_id),
        tokens_in=read(row, "number of tokens", count, tokens_in),
        tokens_out=read(row, "number of tokens", count, tokens_out),
        cost=read(row, "cost", dollars, cost),
        images=needs.images,
        tools=needs.tools,
        response_format=needs.response_format,
    )


def with_id(request: TrafficRequest, source_id: str) -> TrafficRequest:
    """Return a request with another source id."""
    return structs.replace(request, source_id=source_id)


def read(row: Row, what: str, reader: Callable[[object], T | None], value: object) -> T | None:
    """Return what a reader reads from a value; where that is nothing, count it at the source."""
    result = reader(value)
    if result is None and text(value) is not None and str(value).lower() not in _NOTHING:
        row.source.unread[what] += 1
    return result


_NOTHING = frozenset({"nan", "n/a", "na", "-", "<na>", "nat"})


def time_of(row: Row, value: object) -> datetime | None:
    """Return a time; one that cannot be read is counted at the row's source."""
    if isinstance(value, dict):
        result = instant(value)
        if result is None:
            row.source.unread["time"] += 1
        return result
    # 0 is what a log writes that has no time.
    return instant(value) if value == 0 else read(row, "time", instant, value)


_SUCCESS = frozenset({"success", "succeeded", "ok", "completed", "200"})
_FAILURE = frozenset({"failure", "failed", "error"})


def outcome(value: object) -> Literal["success", "failure"] | None:
    """Return how a call ended, of a word or an HTTP status; None where the log does not say."""
    if isinstance(value, bool):
        return "success" if value else "failure"
    written = str(value).lower() if isinstance(value, (str, int)) else ""
    if written.isdigit() and len(written) == 3:
        return "success" if written < "400" else "failure"
    if written in _SUCCESS:
        return "success"
    return "failure" if written in _FAILURE else None


def tags_of(value: object) -> tuple[str, ...]:
    """Return tags of a list, of a JSON list as text, or of names between commas."""
    value = decoded(value)
    if isinstance(value, str):
        return names(value.split(","))
    return names(value)


_COUNTER = re.compile(r"[A-Za-z]{0,16}[-_ .:#/]?\d{1,9}")


def is_counter(row_id: str) -> bool:
    """Tell an id that only counts the rows of one file: `7`, `row-7`, `req_0007`."""
    return _COUNTER.fullmatch(row_id) is not None


_MOST_LITERAL = 2**20
_LITERAL = re.compile(r"\s*[\[({].*[\])}]\s*", re.DOTALL)
_TURNS_WRITTEN = re.compile(r"""['"](?:role|content|messages|from|parts)['"]\s*:""")
_BODY_WRITTEN = re.compile(rf"""['"](?:role|model|{"|".join(BODY_KEYS)})['"]\s*:""")
_DOUBLED = re.compile(r"\s*[\[{]+\s*\"\"")
_BEGUN = re.compile(r"""[\[{\s]*\{\s*['"]""")
_TOO_DEEP = re.compile(r'(?:[\[{(]\s*(?:"[^"]{0,40}"\s*:\s*)?){100}')
_LONGEST_PIECE = 6
"""Characters of JSON that are read at once: an escape, or a word such as `false`."""


def prompt_of(conversation: object) -> str | None:
    """Return the last human text of a conversation, which may be written down as text.

    Raises:
        RowError: It is turns written down in a way that cannot be read back.
    """
    if isinstance(conversation, dict):
        for key in BODY_KEYS:
            written = conversation.get(key)
            if isinstance(written, str) and (turns := structure_of(written)) is not written:
                return extract(turns)
            if written:
                break
    return extract(structure_of(conversation))


def structure_of(value: object) -> object:
    """Return the JSON value or Python literal that a text is, or the text itself.

    A list of numbers, and any other literal that holds no text, stays text: somebody asked it.

    Raises:
        RowError: It looks like turns and cannot be read as them.
    """
    if not isinstance(value, str):
        return value
    if not _LITERAL.fullmatch(value):
        if _TOO_DEEP.match(value) or (_BEGUN.match(value) and _is_cut_off(value)):
            raise RowError("turns that are written in a way that cannot be read back")
        return value
    parsed = decoded(value)
    if isinstance(parsed, str):
        # Quotes that were escaped twice, as Helicone's export does.
        parsed = decoded(value.replace('""', '"')) if _DOUBLED.match(value) else value
    if isinstance(parsed, str) and parsed == value:
        parsed = _literal(value)
    if parsed is None:
        if _TURNS_WRITTEN.search(value) or _TOO_DEEP.match(value):
            raise RowError("turns that are written in a way that cannot be read back")
        return value
    if isinstance(parsed, dict) or holds_turns(parsed):
        return parsed
    if isinstance(parsed, (list, tuple)) and parsed and all(isinstance(t, str) for t in parsed):
        return parsed
    return value


def _is_cut_off(value: str) -> bool:
    """Tell turns in JSON that end in the middle; words behind a whole value are somebody's."""
    if not _BODY_WRITTEN.search(value):
        return False
    try:
        json.loads(value)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated string"):
            return True
        return error.pos >= len(value.rstrip()) - _LONGEST_PIECE
    except (ValueError, RecursionError):
        pass
    return False


def _literal(value: str) -> object:
    """Return the value of a Python literal; None where it is none. Nothing in it is carried out."""
    if len(value) > _MOST_LITERAL:
        return None
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def is_embedding(model: object) -> bool:
    """Tell by its name a model that answers no chat: of embeddings, or one that ranks."""
    written = model.lower() if isinstance(model, str) else ""
    return "embed" in written or "rerank" in written


EMBEDDING = Skip("call type embedding")


def body_in(value: object) -> Mapping[str, Any]:
    """Return a request body that may be JSON as text; an empty one in place of anything else."""
    return mapping(structure_of(value)) if isinstance(value, str) else mapping(value)


def has_conversation(body: object) -> bool:
    """Tell whether an object is a request body of any API."""
    return isinstance(body, dict) and any(key in body for key in BODY_KEYS)


def object_of(row: Row, holds: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
    """Return the object that a row is.

    Raises:
        RowError: It is none, or is not what its format says.
    """
    value = row.value
    if not isinstance(value, dict) or not holds(value):
        raise RowError(f"not {what}")
    return value


def json_format(
    name: str,
    *,
    describe: str,
    holds: Callable[[dict[str, Any]], bool],
    request: Callable[[Row], TrafficRequest | Skip],
    columns: tuple[str, ...] = (),
    advice: Mapping[Exclusion, str] | None = None,
    refusal: str | None = None,
) -> Format:
    """Return a format whose rows are JSON objects, or records of a table with these columns.

    Args:
        holds: Whether an object is a row.
        columns: In plain spelling; none where such a log is never a table.
    """

    def recognises(head: Head) -> bool:
        return head.mostly(holds) or (bool(columns) and is_table(head, *columns))

    def read_rows(source: Source) -> Any:
        if columns and is_table(Head(source.head()), *columns):
            return table_rows(source, as_written=True)
        return rows(source, holds)

    return Format(
        name=name,
        describe=describe,
        recognises=recognises,
        rows=read_rows,
        request=request,
        holds=holds,
        advice=advice or {},
        refusal=refusal,
    )
