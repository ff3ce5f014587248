"""The tables, as SQLAlchemy models. Their names are a contract; docs/schema.md explains them.

Every change here is a migration in `migrations/versions`, and a test holds the two together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from routectl.store.column_types import (
    StoredBigInteger,
    StoredBytes,
    StoredFloat,
    StoredInteger,
    StoredList,
    StoredObject,
    StoredText,
    UtcDateTime,
)

# Only INTEGER PRIMARY KEY counts by itself in SQLite, and only BIGINT is wide enough elsewhere.
Id = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can alter it on any database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own spelling
        str: StoredText,
        int: StoredInteger,
        float: StoredFloat,
        datetime: UtcDateTime,
        bytes: StoredBytes,
        dict[str, Any]: StoredObject,
        list[Any]: StoredList,
    }


class Sample(Base):
    """What one import brought in."""

    __tablename__ = "samples"
    __table_args__ = (UniqueConstraint("key"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str | None]
    """Digest of sources and options while the import runs, so that a rerun continues it;
    null once it is finished."""
    source: Mapped[str]
    source_kind: Mapped[str]
    population: Mapped[dict[str, Any]]
    """The import's own filters."""
    sample_size: Mapped[int | None] = mapped_column(Id)
    """`--sample N`; null when everything was kept."""
    seen: Mapped[int] = mapped_column(Id)
    kept: Mapped[int] = mapped_column(Id)
    counts: Mapped[dict[str, Any]]
    """Lines read, rejected, skipped by reason, filtered out, excluded by reason."""
    extraction_version: Mapped[int]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Prompt(Base):
    """A distinct text that a router scores."""

    __tablename__ = "prompts"
    __table_args__ = (UniqueConstraint("digest"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    digest: Mapped[str]
    """SHA-256 of the UTF-8 text, in hexadecimal."""
    text: Mapped[str | None]
    """Null once it was purged; the scores stay."""
    length: Mapped[int] = mapped_column(Id)
    """Characters (Unicode code points) of the text."""


class Request(Base):
    """One call in the traffic."""

    __tablename__ = "requests"
    __table_args__ = (
        UniqueConstraint("source_kind", "source_id"),
        Index(None, "attempt_key", unique=True),
        Index(None, "prompt_id"),
        Index(None, "sample_id"),
        # Of the rows that name a route alone, and of those that have a time: the migrations have
        # the conditions, which would load PostgreSQL's dialect at each start.
        Index(None, "proxy_route", "time"),
        Index(None, "time"),
        CheckConstraint("weight > 0", name="weight_positive"),
        CheckConstraint("(prompt_id IS NULL) <> (exclusion IS NULL)", name="prompt_or_exclusion"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    sample_id: Mapped[int] = mapped_column(ForeignKey("samples.id"))
    source_kind: Mapped[str]
    source_id: Mapped[str]
    attempt_key: Mapped[str | None]
    """Digests of call id and of prompt, which all attempts of one request share."""
    prompt_id: Mapped[int | None] = mapped_column(ForeignKey("prompts.id"))
    exclusion: Mapped[str | None]
    """Why there is no prompt: no_text, truncated or redacted."""
    weight: Mapped[float]
    """How many requests of the traffic this row stands for: seen / kept of its sample."""
    extraction_version: Mapped[int]
    time: Mapped[float | None]
    """Seconds since 1970-01-01T00:00:00Z. A number, because a million of them are read at once."""
    model_group: Mapped[str | None]
    call_type: Mapped[str | None]
    status: Mapped[str | None]
    cache_hit: Mapped[bool | None]
    team: Mapped[str | None]
    key_alias: Mapped[str | None]
    end_user: Mapped[str | None]
    tags: Mapped[str | None]
    """A JSON array of strings."""
    conversation: Mapped[str | None]
    conversation_key: Mapped[int | None] = mapped_column(StoredBigInteger)
    """63-bit digest of `conversation`: a cluster's number without reading its text."""
    tokens_in: Mapped[int | None] = mapped_column(StoredBigInteger)
    tokens_out: Mapped[int | None] = mapped_column(StoredBigInteger)
    cost: Mapped[float | None]
    """US dollars, as the proxy booked them."""
    model: Mapped[str | None]
    """That answered, where it has another name than the model group."""
    proxy_decision: Mapped[str | None]
    proxy_score: Mapped[float | None]
    proxy_fingerprint: Mapped[str | None]
    proxy_route: Mapped[str | None]
    """The route whose policy decided, as routectl's plug-in logged it."""
    proxy_activation: Mapped[str | None]
    proxy_model: Mapped[str | None]
    proxy_reason: Mapped[str | None]
    proxy_extraction_version: Mapped[int | None]
    proxy_would_be: Mapped[str | None]
    """What the policy's rule decided, where a shadow or a canary kept it from the request; null in
    rows of before."""
    proxy_would_be_reason: Mapped[str | None]
    images: Mapped[int | None] = mapped_column(StoredBigInteger)
    """In the whole conversation; null for none, and where the log does not say."""
    tools: Mapped[int | None] = mapped_column(StoredBigInteger)
    """That the model was offered; null for none, and where the log does not say."""
    response_format: Mapped[str | None]
    """json_object, json_schema, ...; null for plain text, and where the log does not say."""


class Router(Base):
    """A scoring model at one fingerprint.

    `strong_model` and `weak_model` are the pair that it scores for, in the checkpoint's own names.
    """

    __tablename__ = "routers"
    __table_args__ = (UniqueConstraint("name", "fingerprint"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    fingerprint: Mapped[str]
    strong_model: Mapped[str | None]
    weak_model: Mapped[str | None]
    noise: Mapped[float]
    config: Mapped[dict[str, Any]]
    """What the fingerprint is a digest of."""
    engine: Mapped[dict[str, Any]]
    """Library versions of the first scoring run; not part of the fingerprint."""
    created_at: Mapped[datetime]
    checkpoint: Mapped[str | None]
    """Name of the checkpoint that ships, or the folder's absolute path, when it scored last; null
    in rows of before, and for a router of another package that has none."""


class Score(Base):
    """A router's strong win rate of a prompt."""

    __tablename__ = "scores"
    __table_args__ = (
        CheckConstraint("win_rate >= 0 AND win_rate <= 1", name="win_rate_range"),
        {"sqlite_with_rowid": False},
    )

    router_id: Mapped[int] = mapped_column(Id, ForeignKey("routers.id"), primary_key=True)
    prompt_id: Mapped[int] = mapped_column(Id, ForeignKey("prompts.id"), primary_key=True)
    win_rate: Mapped[float]
    longer_than_read: Mapped[bool]
    """The prompt is longer than what the router reads of it."""


class Calibration(Base):
    """An immutable record: what was asked of which requests, the threshold, and how sure."""

    __tablename__ = "calibrations"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    created_at: Mapped[datetime]
    actor: Mapped[str]
    note: Mapped[str | None]
    package_version: Mapped[str]
    router_id: Mapped[int] = mapped_column(ForeignKey("routers.id"))
    router: Mapped[str]
    fingerprint: Mapped[str]
    strong_model: Mapped[str | None]
    weak_model: Mapped[str | None]
    population: Mapped[dict[str, Any]]
    sample_ids: Mapped[list[Any]]
    target: Mapped[dict[str, Any]]
    """What was aimed at, e.g. {"strong_fraction": 0.3, "at_most": false}."""
    threshold: Mapped[str]
    """As text: the very characters that the proxy will read."""
    gap_lower: Mapped[float]
    gap_upper: Mapped[float]
    strong_fraction: Mapped[float]
    next_share_below: Mapped[float | None]
    next_share_above: Mapped[float | None]
    requests: Mapped[int] = mapped_column(StoredBigInteger)
    prompts: Mapped[int] = mapped_column(StoredBigInteger)
    clusters: Mapped[int] = mapped_column(StoredBigInteger)
    cluster_kind: Mapped[str]
    effective_size: Mapped[float]
    intervals: Mapped[dict[str, Any]]
    """`long_run` and `next_requests`, each with low, high, confidence and method."""
    excluded: Mapped[dict[str, Any]]
    rows_digest: Mapped[str]
    """SHA-256 of the sorted (score, weight) rows: the same digest, the same cut table."""
    details: Mapped[dict[str, Any]]
    """All else that was printed: undecided, shares of tokens and spend, the check in time."""
    policy: Mapped[dict[str, Any] | None] = mapped_column(StoredObject(none_as_null=True))
    """What decides by this calibration (`routectl.policy`), without mode, fallback and ids: the
    row's own id is its key. Null where a row is older than the record."""
    extraction_version: Mapped[int]
    """Of the text that was scored."""
    route_id: Mapped[int | None] = mapped_column(ForeignKey("routes.id"))
    """Never null: SQLite can add no column that says so."""
    run: Mapped[str | None]
    """Names the run that made it, and the others of that run; null in rows of before."""


class Route(Base):
    """A name that clients call, and what is declared of it (`routectl.route`).

    A route that was removed keeps its row, because calibrations refer to it; another one may have
    its name.
    """

    __tablename__ = "routes"
    __table_args__ = (
        Index(None, "name", unique=True),  # of those that are not removed, as above
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    models: Mapped[list[Any] | None] = mapped_column(StoredList(none_as_null=True))
    """From weak to strong, each with its name and its own price, if it has one."""
    router: Mapped[dict[str, Any] | None] = mapped_column(StoredObject(none_as_null=True))
    """Its spec; null for the default one."""
    population: Mapped[dict[str, Any] | None] = mapped_column(StoredObject(none_as_null=True))
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    publish: Mapped[str | None]
    """Absolute path of the routes.json that each activation writes anew; null: none."""
    drift_tolerance: Mapped[float | None]
    """How far the long-run share may be from the calibrated one before it counts as drift; null:
    the default."""


class RouteChange(Base):
    """What a command changed of a route. Append-only."""

    __tablename__ = "route_changes"
    __table_args__ = (
        CheckConstraint("action IN ('set', 'rename', 'remove')", name="action_known"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    route_id: Mapped[int] = mapped_column(ForeignKey("routes.id"))
    action: Mapped[str]
    was: Mapped[dict[str, Any] | None] = mapped_column(StoredObject(none_as_null=True))
    """What changed, as it was; null where the route was made."""
    now: Mapped[dict[str, Any] | None] = mapped_column(StoredObject(none_as_null=True))
    """The same, as it is now; null where the route was removed."""
    actor: Mapped[str]
    note: Mapped[str | None]
    created_at: Mapped[datetime]


class Activation(Base):
    """What a route runs from a time on. Append-only: active is the newest row of a route."""

    __tablename__ = "activations"
    __table_args__ = (
        Index(None, "route_id"),
        CheckConstraint("mode IN ('threshold', 'always_strong', 'always_weak')", name="mode_known"),
        CheckConstraint(
            "(mode = 'threshold') = (calibration_id IS NOT NULL)", name="threshold_calibration"
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    route_id: Mapped[int] = mapped_column(ForeignKey("routes.id"))
    mode: Mapped[str]
    calibration_id: Mapped[int | None] = mapped_column(ForeignKey("calibrations.id"))
    restores_id: Mapped[int | None] = mapped_column(ForeignKey("activations.id"))
    """For a rollback: the activation that it brings back."""
    actor: Mapped[str]
    note: Mapped[str | None]
    created_at: Mapped[datetime]
    policy: Mapped[dict[str, Any] | None] = mapped_column(StoredObject(none_as_null=True))
    """The calibration's, completed by what the activation says; its own id is the row's key. Null
    where the row, or its calibration, is older than the record."""
    expires_at: Mapped[datetime | None]
    """When somebody has to look at it again; null: never."""


class DriftCheck(Base):
    """A nightly look at one day of a route's traffic, against a calibration. Append-only."""

    __tablename__ = "drift_checks"
    __table_args__ = (
        UniqueConstraint("route_id", "calibration_id", "alarm", "day"),
        CheckConstraint("alarm IN ('traffic', 'proxy', 'fallback')", name="alarm_known"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    route_id: Mapped[int] = mapped_column(ForeignKey("routes.id"))
    calibration_id: Mapped[int] = mapped_column(ForeignKey("calibrations.id"))
    alarm: Mapped[str]
    """What is looked at: the traffic's share, the proxy's decisions or its fallbacks."""
    day: Mapped[str]
    """Of the requests, in UTC: 2026-11-29."""
    requests: Mapped[float]
    share: Mapped[float | None]
    """Of that day, in [0, 1]; null where it had no request."""
    e_value: Mapped[float]
    """Of the alarm, after this day."""
    rang: Mapped[bool]
    details: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class Lease(Base):
    """Who does a piece of work that only one process may do at a time."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    """host:pid, for people."""
    token: Mapped[str]
    """Random; only who knows it may renew or release."""
    since: Mapped[datetime]
    expires_at: Mapped[datetime]
    """A holder that has not renewed by then is taken for dead."""


class Battle(Base):
    """One preference record: which of two models answered a prompt better."""

    __tablename__ = "battles"
    __table_args__ = (
        UniqueConstraint("source", "source_id"),
        Index(None, "prompt_id"),
        CheckConstraint("winner IN ('model_a', 'model_b', 'tie')", name="winner_known"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    source: Mapped[str]
    """The data set."""
    source_id: Mapped[str]
    """Digest of the row's own id, its content, and how often that was in its file before."""
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompts.id"))
    model_a: Mapped[str]
    """As the data set spells it."""
    model_b: Mapped[str]
    winner: Mapped[str]
    annotator: Mapped[str | None]
    """Who judged, where the data says so."""
    imported_at: Mapped[datetime]


class Evaluation(Base):
    """How good a router was on prompts whose answers by two models were judged."""

    __tablename__ = "evaluations"
    __table_args__ = (CheckConstraint("kind IN ('benchmark', 'traffic')", name="kind_known"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    created_at: Mapped[datetime]
    actor: Mapped[str]
    note: Mapped[str | None]
    package_version: Mapped[str]
    benchmark: Mapped[str]
    """The benchmark's name, or what the traffic was drawn from."""
    kind: Mapped[str]
    data_digest: Mapped[str]
    """SHA-256 of prompts, qualities and weights: equal digests were judged on the same rows."""
    router_id: Mapped[int] = mapped_column(ForeignKey("routers.id"))
    router: Mapped[str]
    fingerprint: Mapped[str]
    strong_model: Mapped[str]
    """Of the pair whose answers were compared, as the benchmark spells it."""
    weak_model: Mapped[str]
    seed: Mapped[int] = mapped_column(StoredBigInteger)
    """Of the bootstrap."""
    draws: Mapped[int] = mapped_column(StoredBigInteger)
    confidence: Mapped[float]
    rows: Mapped[int] = mapped_column(StoredBigInteger)
    strong_quality: Mapped[float]
    """Mean, in the benchmark's own unit."""
    weak_quality: Mapped[float]
    figures: Mapped[dict[str, Any]]
    """By metric: value, low, high; nulls where it is never reached or has no meaning."""
    details: Mapped[dict[str, Any]]
    """All else that was printed."""
    columns: Mapped[bytes]
    """The rows, see `store.evaluations`."""
