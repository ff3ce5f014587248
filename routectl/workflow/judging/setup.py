"""The settings of a judging: models, addresses, token limits and budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from routectl.endpoint import Patience, Service, checked_host
from routectl.errors import EndpointError, UsageError
from routectl.judging.verdicts import JUDGE_DIGEST
from routectl.prices import ModelPrice, price_of
from routectl.records import ModelPair

MODELS_KEY, JUDGE_KEY = "ROUTECTL_MODELS_KEY", "ROUTECTL_JUDGE_KEY"

PATIENCE = Patience(request=300.0, answer=600.0, longest_delay=60.0, attempts=8, total=900.0)
"""An answer comes whole, and a long one takes minutes."""

_TOO_LONG = "look at --max-tokens, and at prompts that are longer than the model takes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """Two models, their judge, and the limits. Checked when it is made.

    Raises:
        UsageError: an address is none, or both models are one.
    """

    pair: ModelPair
    judge: str
    url: str
    """Of the two models; `/chat/completions` follows it."""
    judge_url: str
    max_tokens: int = 1024
    """The longest answer."""
    verdict_tokens: int = 512
    """The longest reply of the judge."""
    seed: int = 0
    """Sent with each call; also of the draw of prompts."""
    concurrency: int = 4
    """Calls under way at once."""
    max_cost: Decimal | None = None
    """US dollars in all, over all runs that continue one another; None sets no limit."""
    prices: Mapping[str, ModelPrice] = field(default_factory=dict)
    """Prices that go before the list's."""

    def __post_init__(self) -> None:
        for url in (self.url, self.judge_url):
            _require_address(url)
        if self.pair.strong == self.pair.weak:
            raise UsageError(f"{self.pair.strong} cannot be judged against itself")

    @property
    def facts(self) -> dict[str, object]:
        """All that decides what a call is answered, as plain JSON values. The prompts are no part:
        calls are kept by prompt, so that more of them may be asked later."""
        return {
            "strong_model": self.pair.strong,
            "weak_model": self.pair.weak,
            "judge": self.judge,
            "endpoint": self.url,
            "judge_endpoint": self.judge_url,
            "max_tokens": self.max_tokens,
            "verdict_tokens": self.verdict_tokens,
            "seed": self.seed,
            "judge_prompt": JUDGE_DIGEST,
        }

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that receive prompts, each once."""
        return tuple(dict.fromkeys(urlsplit(url).netloc for url in (self.url, self.judge_url)))

    def known_prices(self) -> tuple[ModelPrice, ModelPrice, ModelPrice]:
        """Of the strong model, the weak one and the judge.

        Raises:
            UsageError: one is not known.
        """
        return (
            price_of(self.pair.strong, self.url, self.prices),
            price_of(self.pair.weak, self.url, self.prices),
            price_of(self.judge, self.judge_url, self.prices),
        )

    @property
    def models_service(self) -> Service:
        """How the two models are asked. The judge's key goes to the judge's address alone."""
        shared = self.url == self.judge_url
        return _service("model endpoint", (MODELS_KEY, JUDGE_KEY) if shared else (MODELS_KEY,))

    @property
    def judge_service(self) -> Service:
        """How the judge is asked."""
        return _service("judge endpoint", (JUDGE_KEY,))


def _service(name: str, keys: tuple[str, ...]) -> Service:
    return Service(
        name=name,
        path="/chat/completions",
        keys=keys,
        largest_answer=4 * 2**20,  # 32,000 tokens take 200 KB
        too_long=_TOO_LONG,
        error=EndpointError,
    )


def _require_address(url: str) -> None:
    form = "http(s)://HOST[:PORT]/v1"
    try:
        parts = urlsplit(url)
        host, _ = checked_host(parts.hostname), parts.port
    except ValueError:
        raise UsageError(f"an endpoint is named {form}; one of the addresses is none") from None
    # The address is not repeated before it is known to hold no password.
    if "@" in url or parts.query or parts.fragment:
        raise UsageError(
            f"an endpoint's address holds a user, a password or settings; name it {form} and set "
            f"{JUDGE_KEY} in the environment"
        )
    if parts.scheme not in ("http", "https") or not host or url.endswith("/"):
        raise UsageError(f"an endpoint is named {form}, not {url}")
