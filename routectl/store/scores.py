"""Routers and their scores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, case, func, literal, select, update
from sqlalchemy.sql.elements import ColumnElement

from routectl.errors import StoreError
from routectl.policy import needs_strong
from routectl.records import Limits, Population, RouterIdentity, RouterSpec
from routectl.request import FIRST_TIME, LAST_TIME, MOST_DOLLARS, MOST_TOKENS
from routectl.store.columns import Column, FloatColumn, IntColumn, Rows, read_columns
from routectl.store.dialects import insert_ignoring_conflicts, insert_rows
from routectl.store.engine import Store
from routectl.store.failures import damaged
from routectl.store.models import Prompt, Request, Router, Score
from routectl.store.populations import population_filter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# SQLite binds at most 32,766 values in one statement.
_IDS_AT_ONCE = 10_000


def router_id(connection: Connection, identity: RouterIdentity) -> int | None:
    """The id of a router at this fingerprint, if it was ever stored."""
    return stored_router(connection, identity.name, identity.fingerprint)


def stored_router(connection: Connection, name: str, fingerprint: str) -> int | None:
    """The same by name and fingerprint."""
    query = select(Router.id).where(Router.name == name, Router.fingerprint == fingerprint)
    return connection.execute(query).scalar()


def is_kept_at(connection: Connection, router: int, checkpoint: str | None) -> bool:
    """Whether the router's row names this checkpoint."""
    query = select(Router.checkpoint).where(Router.id == router)
    return connection.execute(query).scalar_one() == checkpoint


def add_router(
    connection: Connection, identity: RouterIdentity, spec: RouterSpec, engine: Mapping[str, Any]
) -> int:
    """The id of a router at this fingerprint, stored when it was not there.

    Its row names the checkpoint that was opened last: a folder may move, and be copied.
    """
    pair = spec.model_pair
    connection.execute(
        insert_ignoring_conflicts(connection, Router),
        {
            "name": identity.name,
            "fingerprint": identity.fingerprint,
            "strong_model": None if pair is None else pair.strong,
            "weak_model": None if pair is None else pair.weak,
            "noise": identity.noise,
            "checkpoint": spec.checkpoint,
            "config": dict(identity.config),
            "engine": dict(engine),
            "created_at": datetime.now(UTC),
        },
    )
    stored = router_id(connection, identity)
    assert stored is not None
    connection.execute(
        update(Router)
        .where(Router.id == stored, Router.checkpoint.is_distinct_from(spec.checkpoint))
        .values(checkpoint=spec.checkpoint)
    )
    return stored


def noise_of(connection: Connection, router: int) -> float:
    """The noise that a stored router states."""
    return float(connection.execute(select(Router.noise).where(Router.id == router)).scalar_one())


def unscored_prompts(
    connection: Connection, router: int | None, population: Population, version: int
) -> dict[int, int]:
    """Characters of the population's prompts that this router has not scored, by id, longest first.

    Prompts of like length end up in one batch, which is what makes embedding quick; the long
    ones come first so that a batch that does not fit into memory fails at once.
    """
    population_prompts = select(Request.prompt_id).where(
        *population_filter(population),
        Request.extraction_version == version,
        Request.prompt_id.is_not(None),
    )
    query = (
        select(Prompt.id, Prompt.length)
        .where(Prompt.id.in_(population_prompts), Prompt.text.is_not(None))
        .order_by(Prompt.length.desc(), Prompt.id)
    )
    if router is not None:
        scored = select(Score.prompt_id).where(
            Score.router_id == router, Score.prompt_id == Prompt.id
        )
        query = query.where(~scored.exists())
    return dict(connection.execute(query).all())


def unscored_of(
    connection: Connection, router: int | None, prompt_ids: Sequence[int]
) -> dict[int, int]:
    """Characters of those of the prompts that this router has not scored, by id, longest first."""
    scored = {} if router is None else win_rates(connection, router, prompt_ids)
    lengths: dict[int, int] = {}
    for ids in _parts([id for id in prompt_ids if id not in scored]):
        query = select(Prompt.id, Prompt.length).where(Prompt.id.in_(ids), Prompt.text.is_not(None))
        lengths.update(connection.execute(query).all())
    return dict(sorted(lengths.items(), key=lambda prompt: (-prompt[1], prompt[0])))


def win_rates(connection: Connection, router: int, prompt_ids: Sequence[int]) -> dict[int, float]:
    """A router's scores of these prompts by id; a prompt that it has not scored is not in it."""
    rates: dict[int, float] = {}
    for ids in _parts(prompt_ids):
        query = select(Score.prompt_id, Score.win_rate).where(
            Score.router_id == router, Score.prompt_id.in_(ids)
        )
        rates.update((row.prompt_id, row.win_rate) for row in connection.execute(query))
    return rates


def _parts(prompt_ids: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(prompt_ids), _IDS_AT_ONCE):
        yield list(prompt_ids[start : start + _IDS_AT_ONCE])


def texts(connection: Connection, prompt_ids: Sequence[int]) -> dict[int, str]:
    """Texts of prompts by id; a prompt whose text was purged is not in it."""
    text_by_id: dict[int, str] = {}
    for ids in _parts(prompt_ids):
        query = select(Prompt.id, Prompt.text).where(Prompt.id.in_(ids), Prompt.text.is_not(None))
        text_by_id.update(
            {int(id): text for id, text in connection.execute(query) if text is not None}
        )
    return text_by_id


def add_scores(
    connection: Connection,
    router: int,
    prompt_ids: Sequence[int],
    win_rates: Sequence[float],
    longer_than_read: Sequence[bool],
) -> None:
    """Store scores. A prompt that has one keeps it: its score at a fingerprint never changes."""
    insert_rows(
        connection,
        Score,
        ("router_id", "prompt_id", "win_rate", "longer_than_read"),
        [(router, *row) for row in zip(prompt_ids, win_rates, longer_than_read, strict=True)],
    )


_IMPOSSIBLE = -2
"""In place of a number of tokens that no call can have."""


OTHER, WEAK, STRONG = 0, 1, 2
"""Who answered: neither model of a route, or nobody knows; its weakest; its strongest."""


@dataclass(frozen=True, slots=True)
class Models:
    """The names that two models have in a log."""

    strong: Sequence[str]
    weak: Sequence[str]


@dataclass(frozen=True, slots=True)
class ScoredRequests:
    """Parallel arrays, one element a request that has a score."""

    router: int
    win_rates: NDArray[np.float64]
    weights: NDArray[np.float64]
    prompts: NDArray[np.int64]
    conversations: NDArray[np.int64]
    """-1 where unknown."""
    times: NDArray[np.float64]
    """Epoch seconds in UTC; NaN where unknown."""
    tokens: NDArray[np.float64]
    """Tokens in and out; NaN where unknown."""
    tokens_out: NDArray[np.float64] | None
    """Those of the answer alone; NaN where either is unknown. None where nobody asked."""
    spend: NDArray[np.float64]
    """US dollars; NaN where unknown."""
    longer_than_read: NDArray[np.bool_]
    answered: NDArray[np.int64] | None = None
    """Who answered: OTHER, WEAK or STRONG. None where nobody asked."""
    needs_strong: NDArray[np.bool_] | None = None
    """Those that a weaker model cannot take: their score counts as 1, whatever it is, because they
    are strong at any threshold. None where nobody declared what a model cannot take."""
    text_scores: NDArray[np.float64] | None = None
    """The scores of these, too; None where `win_rates` are all of them."""
    segments: NDArray[np.int64] | None = None
    """Index into the names that were asked for, -1 where a request has none of them; None where
    nobody asked."""
    impossible: int = 0
    """Requests with tokens, a cost or a time that no call can have (`routectl.request`), which
    count as unknown: databases of before hold them."""


def scored_requests(
    store: Store,
    router: int,
    population: Population,
    version: int,
    *,
    models: Models | None = None,
    limits: Collection[Limits] = (),
    segments: tuple[str, Sequence[str]] | None = None,
) -> ScoredRequests:
    """The population's requests with this router's scores, in the order of their ids.

    Args:
        models: read the answers' tokens, too, and whose they are.
        limits: what the weaker models cannot take.
        segments: a field of `policy.SEGMENT_FIELDS`, and values of it to be told apart.
    """
    import numpy as np

    wanted = _requests(population, version, models, segments, needs=bool(limits))
    requests, scores = read_columns(store, wanted, _scores(router))
    if not ((scores["win_rate"] >= 0) & (scores["win_rate"] <= 1)).all():
        raise StoreError(damaged(store.location))
    # Two scans and a search: a join looks up a million scores one by one.
    prompts, scored_prompts = requests["prompt"], scores["key"] >> 1
    # SQLite scans in the key's order, but promises none.
    if (scored_prompts[1:] < scored_prompts[:-1]).any():
        order = np.argsort(scored_prompts)
        scored_prompts = scored_prompts[order]
        scores = {name: column[order] for name, column in scores.items()}
    index = np.searchsorted(scored_prompts, prompts)
    index[index == len(scored_prompts)] = 0
    if len(scored_prompts):
        has_score = scored_prompts[index] == prompts
    else:
        has_score = np.zeros(len(prompts), dtype=np.bool_)
    if not has_score.all():
        requests = {name: values[has_score] for name, values in requests.items()}
        index = index[has_score]
    is_impossible = requests["tokens"] == _IMPOSSIBLE
    with np.errstate(invalid="ignore"):
        for name, lowest, highest in (
            ("spend", -MOST_DOLLARS, MOST_DOLLARS),
            ("time", FIRST_TIME, LAST_TIME),
        ):
            outside = (requests[name] < lowest) | (requests[name] > highest)
            if outside.any():
                is_impossible |= outside
                requests[name] = np.where(outside, np.nan, requests[name])
    win_rates, needs = scores["win_rate"][index], None
    text_scores = win_rates if limits else None
    if limits:
        needs = needs_strong(
            limits,
            tokens=requests["tokens_in"],
            images=requests["images"],
            tools=requests["tools"],
            response_format=requests["response_format"],
        )
        win_rates = np.where(needs, 1.0, win_rates)
    return ScoredRequests(
        router=router,
        win_rates=win_rates,
        needs_strong=needs,
        text_scores=text_scores,
        weights=requests["weight"],
        prompts=requests["prompt"],
        conversations=requests["conversation"],
        times=requests["time"],
        tokens=_nan_where_unknown(requests["tokens"]),
        tokens_out=None if models is None else _nan_where_unknown(requests["tokens_out"]),
        spend=requests["spend"],
        longer_than_read=(scores["key"] & 1)[index].astype(np.bool_),
        answered=requests.get("answered"),
        segments=requests.get("segment"),
        impossible=int(np.count_nonzero(is_impossible)),
    )


def _nan_where_unknown(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The counts as floats, NaN in place of what is below 0."""
    import numpy as np

    tokens: NDArray[np.float64] = np.where(counts < 0, np.nan, counts)
    return tokens


def _requests(
    population: Population,
    version: int,
    models: Models | None,
    segments: tuple[str, Sequence[str]] | None,
    *,
    needs: bool,
) -> Rows:
    """The population's requests that have a prompt."""
    # Two numbers of 63 bits have no sum, so none is taken of what no call can have.
    possible = (Request.tokens_in <= MOST_TOKENS) & (Request.tokens_out <= MOST_TOKENS)
    is_unknown = Request.tokens_in.is_(None) | Request.tokens_out.is_(None)

    def tokens(count: ColumnElement[Any]) -> IntColumn:
        return IntColumn(case((possible, count), (is_unknown, None), else_=_IMPOSSIBLE))

    columns: dict[str, Column] = {
        "prompt": IntColumn(Request.prompt_id.expression),
        "weight": FloatColumn(Request.weight.expression, exponent=7, usual=1.0),
        "conversation": IntColumn(Request.conversation_key.expression),
        "time": FloatColumn(Request.time.expression, exponent=33),
        "tokens": tokens(Request.tokens_in + Request.tokens_out),
        "spend": FloatColumn(Request.cost.expression, exponent=5),
    }
    if models is not None:  # Each column takes its time.
        columns["tokens_out"] = tokens(Request.tokens_out.expression)
    if models is not None and (models.strong or models.weak):
        # The log's model where it is not the group, then what the proxy's router named.
        name = func.coalesce(Request.model, Request.proxy_model, Request.model_group)
        columns["answered"] = IntColumn(
            case((name.in_(models.strong), STRONG), (name.in_(models.weak), WEAK), else_=OTHER)
        )
    if needs:
        columns |= {
            "tokens_in": IntColumn(
                case((Request.tokens_in <= MOST_TOKENS, Request.tokens_in), else_=None)
            ),
            "images": IntColumn(Request.images.expression),
            "tools": IntColumn(Request.tools.expression),
            "response_format": IntColumn(case((Request.response_format.is_not(None), 1), else_=0)),
        }
    if segments is not None:
        field, values = segments
        numbers = {value: literal(number) for number, value in enumerate(values)}
        column: ColumnElement[str] = getattr(Request, field)
        columns["segment"] = IntColumn(case(numbers, value=column))
    return Rows(
        Request.id.expression,
        columns,
        [
            *population_filter(population),
            Request.extraction_version == version,
            Request.prompt_id.is_not(None),
        ],
    )


def _scores(router: int) -> Rows:
    """All scores of a router. A key is twice the prompt's id, and 1 more where the prompt is
    longer than what was read of it: each column less is a tenth of the time."""
    longer = case((Score.longer_than_read.is_(True), 1), else_=0)
    return Rows(
        Score.prompt_id.expression,
        {
            "key": IntColumn(Score.prompt_id * 2 + longer),
            "win_rate": FloatColumn(Score.win_rate.expression, exponent=1),
        },
        [Score.router_id == router],
    )


def prompts_without_text(
    connection: Connection, router: int | None, population: Population, version: int
) -> float:
    """Weight of the requests whose prompt was purged before this router scored it."""
    scored = select(Score.prompt_id).where(
        Score.router_id == (-1 if router is None else router), Score.prompt_id == Prompt.id
    )
    query = (
        select(func.coalesce(func.sum(Request.weight), 0.0))
        .join(Prompt, Prompt.id == Request.prompt_id)
        .where(
            *population_filter(population),
            Request.extraction_version == version,
            Prompt.text.is_(None),
            ~scored.exists(),
        )
    )
    return float(connection.execute(query).scalar_one())
