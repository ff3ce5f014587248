"""What a call costs: list prices that lie in a package, and one's own before them."""

from __future__ import annotations

import socket
from decimal import Decimal
from typing import Any

import pytest

from routectl.errors import UsageError
from routectl.prices import parse_prices, price_of

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
