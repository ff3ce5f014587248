"""Who uses the models, when and for what: the settings of make_traffic.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MODELS: Mapping[str, str] = {
    "smart": "gpt-4o",
    "gpt-4o-mini": "gpt-4o-mini",
    "text-embedding-3-small": "text-embedding-3-small",
}
"""Model group, as clients call it, to the model behind it."""

PRICES: Mapping[str, tuple[float, float]] = {
    "smart": (2.5e-6, 1.0e-5),
    "gpt-4o-mini": (1.5e-7, 6.0e-7),
    "text-embedding-3-small": (2.0e-8, 0.0),
}
"""US dollars per token in and per token out; of the order of public list prices."""

COMPLETION_TOKENS: Mapping[str, tuple[float, float]] = {
    "easy": (55.0, 0.6),
    "medium": (280.0, 0.5),
    "hard": (850.0, 0.45),
}
"""Median and log standard deviation of an answer's tokens, by the prompt's difficulty."""


@dataclass(frozen=True, slots=True)
class Team:
    """How one team uses the proxy."""

    name: str
    share: float
    """Of the repeated conversations."""
    hours: tuple[float, ...]
    """Weight of each hour of the day, UTC."""
    weekend: float
    """Weight of a Saturday or Sunday, where a weekday has 1."""
    people: int
    mini_share: float
    """Of its conversations that go to the small model's own group."""
    key_alias: str
    tags: tuple[str, ...]
    system_prompt: str = ""
    system_share: float = 0.0


def working_hours(first: int, last: int, lunch: int | None = None) -> tuple[float, ...]:
    """Weights of 24 hours: full from `first` to `last`, half next to them, nearly none at night."""
    weights = [0.01] * 24
    weights[first - 1] = weights[last + 1] = 0.4
    weights[first : last + 1] = [1.0] * (last + 1 - first)
    if lunch is not None:
        weights[lunch] = 0.5
    return tuple(weights)


TEAMS: tuple[Team, ...] = (
    Team(
        name="support",
        share=0.38,
        hours=working_hours(6, 19),
        weekend=0.45,
        people=40,
        mini_share=0.12,
        key_alias="support-desk",
        tags=("app:support-desk", "env:prod"),
        system_prompt=(
            "You help the support team of an outdoor shop. Be brief, warm and exact. "
            "Never promise a refund that the agent has not mentioned."
        ),
        system_share=0.7,
    ),
    Team(
        name="it-helpdesk",
        share=0.16,
        hours=working_hours(6, 14, lunch=10),
        weekend=0.04,
        people=90,
        mini_share=0.14,
        key_alias="helpdesk-widget",
        tags=("app:helpdesk-widget",),
        system_prompt="You are the first line of the IT helpdesk. Answer in plain words.",
        system_share=0.9,
    ),
    Team(
        name="engineering",
        share=0.2,
        hours=working_hours(7, 16, lunch=10),
        weekend=0.08,
        people=35,
        mini_share=0.03,
        key_alias="engineering-ide",
        tags=("app:ide", "env:dev"),
    ),
    Team(
        name="marketing",
        share=0.11,
        hours=working_hours(7, 15, lunch=10),
        weekend=0.03,
        people=12,
        mini_share=0.04,
        key_alias="marketing-chat",
        tags=("app:chat",),
        system_prompt="House style: dry, precise, British spelling, no exclamation marks.",
        system_share=0.35,
    ),
    Team(
        name="analytics",
        share=0.09,
        hours=working_hours(7, 15, lunch=10),
        weekend=0.04,
        people=9,
        mini_share=0.02,
        key_alias="analytics-notebooks",
        tags=("app:notebooks", "env:dev"),
    ),
    Team(
        name="finance-legal",
        share=0.06,
        hours=working_hours(6, 14, lunch=10),
        weekend=0.02,
        people=14,
        mini_share=0.03,
        key_alias="finance-legal-chat",
        tags=("app:chat", "confidential"),
    ),
)

TOOLS: Mapping[str, tuple[str, str, str]] = {
    "support": (
        "find_order",
        '{"query":"latest"}',
        '{"order":"BW-30551","state":"in transit","expected":"in 2 days"}',
    ),
    "it-helpdesk": (
        "device_state",
        '{"device":"own"}',
        '{"online":true,"pending_restart":true,"last_update":"yesterday"}',
    ),
    "engineering": (
        "search_code",
        '{"pattern":"TODO"}',
        "basket/handlers.go:212: // TODO return after an error\n1 match",
    ),
}
"""By team: a tool's name, the arguments of a call, and what it answers."""

REPLIES: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Sure, here is a version you can use.",
        "Done. Tell me if you want it shorter.",
        "Yes. The details are below.",
        "That depends on one thing, which I explain first.",
        "Here is the answer, with the steps.",
        "No, and here is why.",
    ),
    "de": ("Gern, hier ist ein Vorschlag.", "Ja. Die Einzelheiten stehen unten."),
    "fr": ("Voici une proposition.", "Oui, voici les détails."),
    "es": ("Claro, aquí tienes una propuesta.", "Sí. Te lo explico paso a paso."),
    "pt": ("Claro, aqui está uma sugestão.", "Sim. Os detalhes estão abaixo."),
    "it": ("Certo, ecco una proposta.",),
    "nl": ("Natuurlijk, hier is een voorstel.", "Ja, dat kan."),
    "sv": ("Visst, här är ett förslag.",),
    "pl": ("Oczywiście, oto propozycja.",),
    "ru": ("Конечно, вот вариант.",),
    "tr": ("Elbette, işte bir öneri.",),
    "ja": ("はい、こちらが案です。", "承知しました。手順は次のとおりです。"),
    "zh": ("好的，以下是建议。", "可以，详细说明如下。"),
    "ko": ("네, 제안은 다음과 같습니다.",),
    "ar": ("بالتأكيد، إليك الاقتراح.", "نعم، التفاصيل أدناه."),
    "he": ("בשמחה, הנה הצעה.",),
    "hi": ("ज़रूर, यह रहा सुझाव।",),
}
"""By language: stand-ins for what the model answered."""
