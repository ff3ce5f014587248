"""Calls of one model behind an OpenAI-compatible `/chat/completions`, within a budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from threading import Event, Lock
from typing import cast

from routectl.endpoint import REFUSALS, Answer, Endpoint, Patience, Service
from routectl.errors import EndpointError
from routectl.judging.costs import most_tokens
from routectl.judging.verdicts import Message
from routectl.prices import ModelPrice
from routectl.request import MOST_TOKENS
from routectl.workflow.judging.budget import Budget, LimitReachedError
from routectl.workflow.judging.store_rows import Reply, WorkFile

_MAY_BE_PAID = (None, 408, 502, 504)
"""Statuses, or none, after which somebody may have computed an answer and may charge for it."""


_BYTES_OF_A_REPLY, _BYTES_OF_A_TOKEN = 1_000, 8
"""On disk, as JSON: some characters of English text, or one of another script as an escape."""

_REFUSALS_AT_FIRST = 5
"""A model that refused so many requests and took none refuses them all."""


class RefusedError(Exception):
    """An endpoint does not take one request, but takes others."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which settings a model takes, found by asking."""

    temperature: bool = True
    seed: bool = True
    limit: str = "max_tokens"

    def without_refused_setting(self, refusal: bytes) -> Shape:
        """The shape without the setting that a refusal names; itself where it names none.

        Reasoning models take no temperature, and their limit has another name.
        """
        if self.limit == "max_tokens" and b"max_completion_tokens" in refusal:
            return replace(self, limit="max_completion_tokens")
        if self.temperature and b"temperature" in refusal:
            return replace(self, temperature=False)
        if self.seed and b"seed" in refusal:
            return replace(self, seed=False)
        return self


class ChatModel:
    """Asks one model; several threads may."""

    def __init__(
        self,
        url: str,
        price: ModelPrice,
        service: Service,
        patience: Patience,
        *,
        max_tokens: int,
        seed: int,
        budget: Budget,
        work: WorkFile,
        stop: Event,
    ) -> None:
        self.name = price.model
        self.shape = Shape()
        self.unmetered = 0
        """Answers that did not say what they used; their worst case was booked."""
        self.over = 0
        """Answers that used more than they should have been able to."""
        self.refusal: EndpointError | None = None
        """The last of single requests that were not taken."""
        self._refusals = 0
        self._answers = bool(work.kept.replies)
        self._endpoint = Endpoint(url, price.model, service, patience)
        self._price = price
        self._max_tokens = max_tokens
        self._seed = seed
        self._budget = budget
        self._work = work
        self._stop = stop
        self._counting = Lock()

    def ask(self, call: str, messages: Sequence[Message]) -> Reply:
        """The model's answer; a kept one where there is one.

        Args:
            call: its name, under which the answer is kept.

        Raises:
            LimitReachedError: its worst case does not fit into the budget, or all was stopped.
            RefusedError: the endpoint does not take this request.
            EndpointError: it does not answer, or not as it should.
        """
        kept = self._work.kept.replies.get(call)
        if kept is not None:
            return kept
        shape = self.shape
        while True:
            body = self._body(messages, shape)
            attempt = partial(self._pay, call, messages, body)
            try:
                answer = self._endpoint.persist(attempt, self._stop)
            except EndpointError:
                if self._stop.is_set():  # the reason is told elsewhere
                    raise LimitReachedError from None
                raise
            if answer.status == 200:
                reply = self._work.kept.replies.get(call)
                if reply is None:
                    raise self._nonsense(answer)
                self.shape, self._answers = shape, True
                return reply
            narrower = shape.without_refused_setting(answer.body.lower())
            if answer.status not in REFUSALS or narrower == shape:
                raise self._refused(answer)
            shape = narrower

    def _body(self, messages: Sequence[Message], shape: Shape) -> bytes:
        request: dict[str, object] = {
            "model": self.name,
            "messages": list(messages),
            shape.limit: self._max_tokens,
        }
        if shape.temperature:
            request["temperature"] = 0
        if shape.seed:
            request["seed"] = self._seed
        return json.dumps(request).encode()

    def _pay(self, call: str, messages: Sequence[Message], body: bytes) -> Answer:
        """One attempt: money set aside, the call noted, sent, and booked with its answer."""
        worst = self._price.cost(most_tokens(messages), self._max_tokens)
        self._budget.set_aside(worst, self._stop)
        cost = worst
        try:
            number = self._work.sent(
                call, self.name, worst, _BYTES_OF_A_REPLY + _BYTES_OF_A_TOKEN * self._max_tokens
            )
            answer = self._endpoint.attempt(body)
            cost = self._cost(answer, worst)
            reply = _reply(answer.body) if answer.status == 200 else None
            self._work.ended(number, call, self.name, cost, reply)
        finally:
            self._budget.settle(worst, cost)
        return answer

    def _cost(self, answer: Answer, worst: Decimal) -> Decimal:
        if answer.status == 200:
            usage = _usage(answer.body)
            if usage is None:
                with self._counting:
                    self.unmetered += 1
                return worst
            cost = self._price.cost(*usage)
            with self._counting:
                self.over += cost > worst
            return cost
        unknown = answer.status in _MAY_BE_PAID and not answer.unreached
        return worst if unknown else Decimal(0)

    def _refused(self, answer: Answer) -> Exception:
        error = self._endpoint.refused(answer)
        if answer.status not in REFUSALS:
            return error
        with self._counting:
            self.refusal = error
            self._refusals += 1
        refuses_all = not self._answers and self._refusals >= _REFUSALS_AT_FIRST
        return error if refuses_all else RefusedError()

    def _nonsense(self, answer: Answer) -> EndpointError:
        self._endpoint.parsed(answer)
        return self._endpoint.error(
            "answers with no choice that holds a message: it is not an OpenAI-compatible one, or "
            "it is damaged; what was done is kept."
        )


def _value(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _reply(body: bytes) -> Reply | None:
    """The first choice's message; None where there is none."""
    choices = _value(body).get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return None
    # A model that refuses has null here, and its text under another name.
    content = message.get("content") or ""
    if isinstance(content, list):
        # Reasoning models answer in parts, of which the texts are the answer.
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        content = "\n".join(str(part.get("text", "")) for part in parts)
    if not isinstance(content, str):
        return None
    # JSON can hold lone surrogates, which UTF-8 cannot.
    text = content.encode(errors="surrogatepass").decode(errors="replace")
    return Reply(text, choice.get("finish_reason") == "length")


def _usage(body: bytes) -> tuple[int, int] | None:
    """Tokens in and out that an answer says it used; None where it does not say, or says what
    cannot be."""
    usage = _value(body).get("usage")
    if not isinstance(usage, dict):
        return None
    used = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    if not all(type(count) is int and 0 <= count <= MOST_TOKENS for count in used):
        return None
    return cast("tuple[int, int]", used)
