"""What a call costs: list prices that lie in a package, and one's own before them."""

from __future__ import annotations

import socket
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from routectl.errors import UsageError
from routectl.prices import parse_prices, price_of, prices_of_pair, require_asked
from routectl.records import ModelPair

PROXY = "http://127.0.0.1:4000/v1"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_call_costs_its_tokens_at_the_price_of_a_million() -> None:
    price = parse_prices(["org/model=v1=2.5/10"])["org/model=v1"]
    assert price.cost(1_000_000, 0) == Decimal("2.5")
    assert price.cost(2_000, 300) == Decimal("0.008")
    assert str(price) == "org/model=v1 2.5 in, 10 out (USD per million tokens, --price)"


def test_an_own_price_goes_before_the_list() -> None:
    listed = price_of("gpt-4o", PROXY, {})
    assert "list price of OpenAI, genai-prices" in str(listed)
    assert 0 < listed.input < listed.output
    assert listed.cost(2_000, 100) == (2_000 * listed.input + 100 * listed.output) / 1_000_000
    own = price_of("gpt-4o", PROXY, parse_prices(["gpt-4o=0/0"]))
    assert own.cost(10**6, 10**6) == 0


def test_a_provider_s_name_before_the_model_s_is_understood() -> None:
    assert price_of("openai/gpt-4o", PROXY, {}).input == price_of("gpt-4o", PROXY, {}).input


def test_a_long_request_costs_what_the_list_says_of_long_ones() -> None:
    price = price_of("gemini-2.5-pro", PROXY, {})
    assert price.cost(10**6, 0) > price.input
    assert price.cost(1_000, 0) == price.input / 1_000


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("nameless", PROXY),
        # A provider's address asks that provider, and Together does not sell it.
        ("gpt-4o", "https://api.together.xyz/v1"),
        # Its price is by the minute: no text would seem to cost anything.
        ("whisper-1", PROXY),
    ],
)
def test_a_model_without_a_price_is_named_with_the_option(model: str, url: str) -> None:
    with pytest.raises(UsageError, match=rf"no price is known for {model}: .*--price {model}=IN/"):
        price_of(model, url, {})


@pytest.mark.parametrize("text", ["gpt-4o", "=1/2", "m=1", "m=/2", "m=a/2", "m=1/-2", "m=1/nan"])
def test_a_price_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--price"):
        parse_prices([text])


def test_two_prices_of_one_model_are_refused() -> None:
    with pytest.raises(UsageError, match="names m twice"):
        parse_prices(["m=1/2", "m=1/2"])


@pytest.mark.parametrize(
    ("model", "seller"),
    [
        ("gpt-4-1106-preview", "OpenAI for gpt-4-turbo,"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mistral for mixtral-8x7b,"),
        ("Mixtral-8x7B-Instruct-v0.1", "Mistral for mixtral-8x7b,"),
        ("somebody/gpt-4o", "OpenAI,"),
    ],
)
def test_a_model_is_found_by_its_name_alone_and_its_seller_is_named(
    model: str, seller: str
) -> None:
    price = price_of(model, None, {})
    assert price.model == model
    assert price.source.startswith(f"list price of {seller}")


def test_a_model_that_its_maker_does_not_sell_costs_what_the_cheapest_seller_asks() -> None:
    price = price_of("google/gemma-2-9b-it", None, {})
    sellers = int(price.source.split("the cheapest of ")[1].split(",")[0])
    assert sellers > 1
    assert price.input + price.output > 0
    # Where somebody pays by the answer, nothing is guessed.
    with pytest.raises(UsageError, match="no price is known"):
        price_of("google/gemma-2-9b-it", PROXY, {})


def test_a_pair_s_own_prices_are_found_by_the_models_names_alone() -> None:
    pair = ModelPair("gpt-4o", "mistralai/Mixtral-8x7B-Instruct-v0.1")
    strong, weak = prices_of_pair(pair, parse_prices(["mixtral-8x7b-instruct-v0.1=0.24/0.24"]))
    assert "OpenAI" in strong.source
    assert (weak.input, weak.source) == (Decimal("0.24"), "--price")
    with pytest.raises(UsageError, match=r"no price is known for nameless: .* --price nameless=IN"):
        prices_of_pair(ModelPair("gpt-4o", "nameless"), {})


def test_a_price_of_a_model_that_nobody_asks_about_is_refused() -> None:
    own = parse_prices(["gpt-4=1/2"])
    require_asked(own, ["openai/gpt-4", "small"])
    with pytest.raises(UsageError, match="--price gpt-4: the models are big, small"):
        require_asked(own, ["big", "small"])
    with pytest.raises(UsageError, match="no models that could be priced"):
        require_asked(own, [])


# With a price that steps up, one of a price a call, and one's own.
@pytest.mark.parametrize("model", ["gemini-2.5-pro", "sonar", "mine"])
def test_many_calls_cost_what_each_of_them_costs(model: str) -> None:
    price = price_of(model, None, parse_prices(["mine=0.3/0.7"]))
    tokens_in = [0, 1, 777, 199_999, 200_000, 200_001, 10**6]
    tokens_out = [0, 5, 300, 1, 10, 10, 2_000]
    each = [float(price.cost(*call)) for call in zip(tokens_in, tokens_out, strict=True)]
    assert price.costs(tokens_in, tokens_out).tolist() == pytest.approx(each)
    assert np.isnan(price.costs([np.nan, 10**6, np.nan], [1, np.nan, np.nan])).all()


def test_the_price_of_a_call_is_no_price_of_its_tokens() -> None:
    price = price_of("sonar", None, {})
    assert price.cost(0, 0) > 0
    assert f"{price.cost(0, 0).normalize():f} a call" in str(price)
    assert price.cost(1_000, 0) - price.cost(0, 0) == price.input / 1_000
