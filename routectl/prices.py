"""What a call of a language model costs, in US dollars.

Prices come from the package genai-prices: the providers' public list prices, as they were when the
installed version was released. Nothing is asked over the network. A price of one's own, from a
contract or for a model on one's own machines, goes before them.

Importing genai-prices takes longer than reading a table of scores, so it is imported by the first
look-up, and a price of one's own needs none.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from routectl.errors import UsageError
from routectl.records import ModelPair
from routectl.route import quoted

if TYPE_CHECKING:
    import numpy as np
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider
    from genai_prices.types import ModelPrice as ListedPrice
    from numpy.typing import ArrayLike, NDArray

    Listed = tuple[Provider, ModelInfo]

CURRENCY = "USD"
CHARACTERS_PER_TOKEN = 4
"""Of English text, about."""
TYPICAL_ANSWER = 300
"""Tokens of an answer, about."""
_MILLION = Decimal(1_000_000)
_LEAST, _MOST = Decimal("1e-9"), Decimal("1e9")
"""US dollars per million tokens, of what is not free: sums of these are finite numbers."""


def about_tokens(characters: int) -> int:
    """About how many tokens a text of this length has."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


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
    _listed: Listed | None = None

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

    def costs(self, tokens_in: ArrayLike, tokens_out: ArrayLike) -> NDArray[np.float64]:
        """US dollars for each of many calls, as `cost` says of one.

        Args:
            tokens_in, tokens_out: shape (n,), 0 or more; NaN where unknown.

        Returns:
            Shape (n,), NaN where either is unknown.
        """
        import numpy as np

        read, written = (
            np.asarray(tokens, dtype=np.float64).reshape(-1) for tokens in (tokens_in, tokens_out)
        )
        # Some providers charge for a call besides its tokens.
        fee = float(self.cost(0, 0))
        costs = fee + (float(self.input) * read + float(self.output) * written) / float(_MILLION)
        step = math.inf if self._listed is None else _first_step(self._listed)
        long = np.flatnonzero((read > step) & np.isfinite(written))
        costs[long] = [float(self.cost(int(read[row]), int(written[row]))) for row in long]
        return costs

    def to_json(self) -> dict[str, object]:
        """As plain JSON values, US dollars per million tokens."""
        return {
            "model": self.model,
            "input": float(self.input),
            "output": float(self.output),
            "source": self.source,
        }

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
    prices: dict[str, ModelPrice] = {}
    for text in texts:
        # A model's name may hold = and /, prices hold neither.
        model, _, numbers = text.rpartition("=")
        price_in, _, price_out = numbers.partition("/")
        if not model or not price_in or not price_out:
            raise UsageError(f"--price {text} is not of the form MODEL=IN/OUT, as in gpt-4o=2.5/10")
        if model in prices:
            raise UsageError(f"--price names {model} twice")
        rates = (_number(price_in, text), _number(price_out, text))
        prices[model] = ModelPrice(model, *rates, source="--price")
    return prices


def price_of(model: str, url: str | None, own: Mapping[str, ModelPrice]) -> ModelPrice:
    """What a model costs at an address.

    A provider's address asks that provider's prices. At any other one, a proxy's say, the provider
    is told from the model's name, with its prefix if it has one (`openai/gpt-4o`). Without an
    address it is looked for longer, because nobody pays by what is found: without what comes
    before the name (`mistralai/`), and at last, for models that their makers do not sell, at the
    cheapest of the providers that list this very name.

    Args:
        own: prices that go before the list's, as `parse_prices` gives them. Without an address,
            case and what comes before the name do not matter.

    Raises:
        UsageError: no price is known; the sentence names the model and the option.
    """
    price = own.get(model)
    if price is None and url is None:
        price = next((price for name, price in own.items() if _bare(name) == _bare(model)), None)
    price = price or _list_price(model, url)
    if price is None:
        raise UsageError(
            f"no price is known for {model}: say what a million of its input and output tokens "
            f"cost, in {CURRENCY}, with --price {quoted(model)}=IN/OUT (0/0 if it costs nothing)"
        )
    return price


def prices_of_pair(pair: ModelPair, own: Mapping[str, ModelPrice]) -> tuple[ModelPrice, ModelPrice]:
    """What the strong and the weak model cost, wherever they run.

    Args:
        own: as `price_of` takes them.

    Raises:
        UsageError: as `price_of`.
    """
    return price_of(pair.strong, None, own), price_of(pair.weak, None, own)


def prices_within(own: Mapping[str, ModelPrice], models: Collection[str]) -> list[str]:
    """The names in `own` that mean one of the models, wherever it runs."""
    bare_names = {_bare(model) for model in models}
    return [name for name in own if _bare(name) in bare_names]


def require_asked(own: Mapping[str, ModelPrice], models: Collection[str]) -> None:
    """Refuse prices of models that nobody asks about: a misspelt name would be priced by the list.

    Args:
        own: as `parse_prices` gives them.
        models: that are asked about.

    Raises:
        UsageError: there is such a price.
    """
    asked = prices_within(own, models)
    for name in own:
        if name not in asked:
            raise UsageError(
                f"--price {name}: the models are {', '.join(models)}"
                if models
                else f"--price {name}: these routers decide between no models that could be priced"
            )


def _bare(model: str) -> str:
    """A model's name without its organisation or provider."""
    return model.rpartition("/")[2].lower()


def _list_price(model: str, url: str | None) -> ModelPrice | None:
    from importlib.metadata import version

    from genai_prices.data_snapshot import get_snapshot

    listing = next(_listings(get_snapshot(), model, url), None)
    if listing is None:
        return None
    (host, info), among = listing
    per_call, *rates = _rates((host, info))
    name = "" if _bare(info.id) == _bare(model) else f" for {info.id}"
    fee_note = f", and {(per_call / _MILLION).normalize():f} a call" if per_call else ""
    source = (
        f"list price of {host.name}{name}{among}{fee_note}, genai-prices {version('genai-prices')}"
    )
    return ModelPrice(model, rates[0] - per_call, rates[1] - per_call, source, _listed=(host, info))


def _listings(prices: DataSnapshot, model: str, url: str | None) -> Iterator[tuple[Listed, str]]:
    """Entries with a price of text that fit a model, the best first, each with a note on how it
    was chosen."""
    try:
        provider = prices.find_provider(None, None, url) if url else None
    except LookupError:
        provider = None
    # "litellm" reads a provider's name before a slash, and else goes by the model's name.
    how = None if provider else "litellm"
    names = [model] if url else list(dict.fromkeys([model, model.rpartition("/")[2]]))
    for name in names:
        try:
            listed = prices.find_provider_model(name, provider, how, None)
        except LookupError:
            continue
        if _prices_text(listed):
            yield listed, ""
    if url:
        return
    for name in names:
        sellers = [
            (host, info)
            for host in prices.providers
            if (info := host.find_model(name.lower())) is not None and _prices_text((host, info))
        ]
        # A price of zero is a trial's, and no guide to a bill.
        sold = [(sum(_rates(seller)[1:]), index) for index, seller in enumerate(sellers)]
        if paid := [entry for entry in sold if entry[0]]:
            among = f", the cheapest of {len(paid)}" if len(paid) > 1 else ""
            yield sellers[min(paid)[1]], among


def _rates(listed: Listed) -> tuple[Decimal, Decimal, Decimal]:
    """US dollars for a million calls that are empty, of one input token, of one output token."""
    from genai_prices import Usage

    host, info = listed
    empty, read, written = (
        info.calc_price(Usage(input_tokens=i, output_tokens=o), host).total_price * _MILLION
        for i, o in ((0, 0), (1, 0), (0, 1))
    )
    return empty, read, written


def _prices_text(listed: Listed) -> bool:
    """Whether text has a price: some entries state one per request or image alone."""
    stated = _stated(listed)
    return stated.input_mtok is not None and stated.output_mtok is not None


def _first_step(listed: Listed) -> float:
    """The input tokens above which a call has another price; infinite where there is no step."""
    from genai_prices.types import TieredPrices

    stated = _stated(listed)
    steps = (
        tier.start
        for price in (stated.input_mtok, stated.output_mtok)
        if isinstance(price, TieredPrices)
        for tier in price.tiers
    )
    return min(steps, default=math.inf)


def _stated(listed: Listed) -> ListedPrice:
    """An entry's price as it is today."""
    from genai_prices import Usage

    host, info = listed
    return info.calc_price(Usage(input_tokens=1, output_tokens=0), host).model_price


def _number(text: str, whole: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise UsageError(f"--price {whole}: {text!r} is no price, which is a number of {CURRENCY}")
    if number and not _LEAST <= number <= _MOST:
        raise UsageError(
            f"--price {whole}: {text!r} is no price of a million tokens, which is 0, or from "
            f"0.000000001 to 1,000,000,000 {CURRENCY}"
        )
    return number
