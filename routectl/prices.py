"""What a call of a language model costs, in US dollars.

Prices come from the package genai-prices: the providers' public list prices, as they were when the
installed version was released. Nothing is asked over the network. A price of one's own, from a
contract or for a model on one's own machines, goes before them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from routectl.errors import UsageError

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

CURRENCY = "USD"
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What one model costs."""

    model: str
    """As it was asked for."""
    input: Decimal
    """US dollars per million input tokens, of a short request where long ones cost more."""
    output: Decimal
    """The same of output tokens."""
    source: str
    """Where the price is from, for people."""
    _listed: tuple[Provider, ModelInfo] | None = None

    def cost(self, tokens_in: int, tokens_out: int) -> Decimal:
        """US dollars for one call, with all steps and times of day that the list price has.

        Input tokens count in full: what a provider takes off for those that it had in its cache is
        not known before the call.

        Args:
            tokens_in: 0 or more.
            tokens_out: 0 or more.
        """
        if self._listed is None:
            return (self.input * tokens_in + self.output * tokens_out) / _MILLION
        from genai_prices import Usage

        provider, model = self._listed
        usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
        return model.calc_price(usage, provider).total_price

    def __str__(self) -> str:
        return (
            f"{self.model} {self.input.normalize():f} in, {self.output.normalize():f} out "
            f"({CURRENCY} per million tokens, {self.source})"
        )


def parse_prices(texts: Sequence[str]) -> dict[str, ModelPrice]:
    """What `--price MODEL=IN/OUT` says, by model; US dollars per million tokens.

    Raises:
        UsageError: one of them has another form, or a model has two.
    """
    found: dict[str, ModelPrice] = {}
    for text in texts:
        # A model's name may hold = and /, prices hold neither.
        model, _, numbers = text.rpartition("=")
        price_in, _, price_out = numbers.partition("/")
        if not model or not price_in or not price_out:
            raise UsageError(f"--price {text} is not of the form MODEL=IN/OUT, as in gpt-4o=2.5/10")
        if model in found:
            raise UsageError(f"--price names {model} twice")
        prices = (_number(price_in, text), _number(price_out, text))
        found[model] = ModelPrice(model, *prices, source="--price")
    return found


def price_of(model: str, url: str, own: Mapping[str, ModelPrice]) -> ModelPrice:
    """What a model costs at an address.

    A provider's address asks that provider's prices. At any other one, a proxy's say, the provider
    is told from the model's name, with its prefix if it has one (`openai/gpt-4o`).

    Args:
        own: prices that go before the list's, as `parse_prices` gives them.

    Raises:
        UsageError: no price is known; the sentence names the model and the option.
    """
    if model in own:
        return own[model]
    listed = _listed(model, url)
    if listed is None:
        raise UsageError(
            f"no price is known for {model}: say what a million of its input and output tokens "
            f"cost, in {CURRENCY}, with --price {model}=IN/OUT (0/0 if it costs nothing)"
        )
    return listed


def _listed(model: str, url: str) -> ModelPrice | None:
    from importlib.metadata import version

    from genai_prices import Usage
    from genai_prices.data_snapshot import get_snapshot

    prices = get_snapshot()
    try:
        provider = prices.find_provider(None, None, url)
    except LookupError:
        provider = None
    try:
        # "litellm" reads a provider's name before a slash, and else goes by the model's name.
        found = prices.find_provider_model(model, provider, None if provider else "litellm", None)
    except LookupError:
        return None
    host, info = found
    one = Usage(input_tokens=1, output_tokens=0), Usage(input_tokens=0, output_tokens=1)
    per_token = [info.calc_price(usage, host) for usage in one]
    stated = per_token[0].model_price
    # Some entries state a price per request or image alone, by which no text would cost anything.
    if stated.input_mtok is None or stated.output_mtok is None:
        return None
    return ModelPrice(
        model,
        per_token[0].total_price * _MILLION,
        per_token[1].total_price * _MILLION,
        source=f"list price of {host.name}, genai-prices {version('genai-prices')}",
        _listed=found,
    )


def _number(text: str, whole: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise UsageError(f"--price {whole}: {text!r} is no price, which is a number of {CURRENCY}")
    return number
