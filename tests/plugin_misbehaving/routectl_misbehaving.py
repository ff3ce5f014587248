"""Routers that score their first batch well and the second one as no router may."""

import numpy as np

from routectl.records import RouterIdentity
from routectl.routers import OpenRouter, RouterDescription


class Misbehaving:
    def __init__(self, identity, second):
        self.identity = identity
        self.second = second
        self.calls = 0

    def strong_win_rates(self, prompts):
        self.calls += 1
        rates = np.linspace(0.1, 0.9, len(prompts))
        return rates if self.calls == 1 else self.second(rates, prompts)

    def longer_than_read(self, prompts):
        return np.zeros(len(prompts), dtype=bool)


def opener(name, second, load=None):
    def open_router(checkpoint, strong_model, weak_model):
        identity = RouterIdentity(name, name.ljust(64, "0"), None, 0.0)
        about = RouterDescription(name, name, "", None, (), None, None, "all", None, None)
        return OpenRouter(identity, about, load or (lambda: Misbehaving(identity, second)))

    return open_router


def some_nan(rates, prompts):
    rates[3] = np.nan
    return rates


def fail(rates, prompts):
    raise KeyError(f"cannot read {prompts[0]!r}")


def no_load():
    raise OSError("the weights of SECRET are gone")


def open_raises_on_open(checkpoint, strong_model, weak_model):
    raise ZeroDivisionError("SECRET")


def open_nothing(checkpoint, strong_model, weak_model):
    return {"name": "opens_nothing"}


open_nan = opener("gives_nan", some_nan)
open_too_few = opener("gives_too_few", lambda rates, prompts: rates[:-1])
open_two = opener("gives_two", lambda rates, prompts: 2 * rates)
open_list = opener("gives_a_list", lambda rates, prompts: rates.tolist())
open_raises = opener("raises", fail)
open_raises_on_load = opener("raises_on_load", None, no_load)


def open_exits_on_open(checkpoint, strong_model, weak_model):
    raise SystemExit(0)


def __getattr__(name):
    """As a module does that exits while it is imported."""
    if name == "exits_on_import":
        raise SystemExit(0)
    if name == "interrupts_on_import":
        raise KeyboardInterrupt
    raise AttributeError(name)
