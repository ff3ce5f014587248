"""What a reader of a calibration is warned of, in words. What is due, `calibration` decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from routectl.cli.console import percent, percent_range
from routectl.cli.segment_table import missed_in_segments

if TYPE_CHECKING:
    from routectl.calibration import (
        Caveat,
    )


def caveat_text(caveat: Caveat) -> str:
    """A warning as a sentence without its full stop."""
    facts: Mapping[str, Any] = caveat.facts
    match caveat.code:
        case "segments_missed":
            return missed_in_segments(facts)
        case "scores_of_one":
            return (
                f"scores of exactly 1.0 pass every threshold, so at least "
                f"{percent(facts['lowest_share'], 2)} goes to the strong model; "
                "`routectl activate --always-weak` is a setting of the route"
            )
        case "tie":
            return (
                f"{facts['requests']:,.0f} requests share the score {facts['score']:.6g}, so "
                f"{percent(facts['target'])} cannot be reached: the shares next to it are "
                f"{percent(facts['share_below'], 2)} and {percent(facts['share_above'], 2)}"
            )
        case "pays_for_all_strong":
            return (
                f"{facts['budget']:,.2f} USD a month pay for the strong model alone, so all "
                "requests go to it"
            )
        case "no_times":
            return (
                "no request has a time, so nothing can be said of how days differ: the intervals "
                "are of traffic that is mixed like this sample"
            )
        case "one_day":
            return (
                "all requests are of one day (UTC), so nothing can be said of other days: the "
                "intervals are of this day's mix alone"
            )
        case "few_days":
            return (
                f"the requests are of {facts['days']} days (UTC): the intervals speak of these "
                "days only; from 5 days on they count how days differ, from 14 the weekdays too"
            )
        case "rough":
            return f"the intervals are rough: {_rests_on(facts)}"
        case "unsure_prompts":
            return _unsure_prompts(facts)
        case "recurring_prompts":
            return (
                f"{_recurring(facts)}, and counted as a part of every day: if that is a burst, the "
                "intervals are too narrow"
            )
        case "days_are_alike":
            return _days_are_alike(facts)
        case "untimed":
            return (
                f"{percent(facts['untimed'])} of the requests have no time; how days differ is "
                "taken from the others"
            )
        case "many_undecided":
            return (
                f"{percent(facts['undecided'], 2)} of the requests lie within the router's noise "
                "of the threshold: another machine may decide them otherwise"
            )
        case "check_in_time_failed":
            return (
                "the check in time failed: the last days differ from the earlier ones by more than "
                f"days do (by chance in {percent(facts['rate'], 0)} of the samples at most); "
                "calibrate on more whole weeks, or find out what changed"
            )
        case "cost_unknown":
            return (
                f"{percent(facts['unknown'])} of the requests have no tokens in the log; the US "
                "dollars are those of the others"
            )
        case "longer_than_read":
            return (
                f"{percent(facts['longer_than_read'])} of the requests have a prompt longer than "
                "the router reads; it reads a part of them"
            )


def _rests_on(facts: Mapping[str, Any]) -> str:
    """What few degrees of freedom come from."""
    count = {
        "day": f"{facts['days']} days",
        "week": f"{facts['weeks']} whole weeks",
    }.get(facts["decided_by"], units_text(facts["clusters"], facts["cluster_kind"]))
    return f"their width comes from {count}"


def _recurring(facts: Mapping[str, Any]) -> str:
    """Prompts by their ids, never by their text."""
    one = facts["count"] == 1
    return (
        f"prompt{'' if one else 's'} {facts['prompts']} (id) {'is' if one else 'are'} "
        f"{percent(facts['share'])} of the requests, on at least half of the {facts['days']} days"
    )


def _unsure_prompts(facts: Mapping[str, Any]) -> str:
    text = f"{_recurring(facts)}; it takes 10 days to tell a scheduled prompt from a burst"
    if "rest_low" not in facts:
        return text
    rest = percent_range(facts["rest_low"], facts["rest_high"])
    return (
        f"{text}; of all other requests {percent(facts['rest_share'])} are strong, in the long run "
        f"{rest}"
    )


def _days_are_alike(facts: Mapping[str, Any]) -> str:
    text = f"a day is like the day before (lag-1 correlation {facts['correlation']:.2f})"
    if facts["weeks"] < 4:
        return f"{text}, which takes 4 whole weeks to count: the intervals are too narrow"
    return (
        f"{text}, so the {facts['weeks']} whole weeks are compared: the long-run interval "
        "may fall short (at 0.8 it covers 86 % for 95 %), that of the next requests more so"
    )


def units_text(count: int, kind: str) -> str:
    """A count with its noun."""
    return f"{count:,} {kind}{'' if count == 1 else 's'}"
