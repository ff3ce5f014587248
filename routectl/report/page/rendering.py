"""The page as HTML."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from routectl.escaping import visible
from routectl.report.page import drawing
from routectl.report.page.content import Curve, Page

if TYPE_CHECKING:
    from jinja2 import Environment

_HEAD = b'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
_GENERATOR = b'<meta name="generator" content="routectl report">\n'
_TAIL = b"</script>\n</body>\n</html>"


def render(page: Page) -> bytes:
    """The file. The same page gives the same bytes."""
    style, script = (_own(name) for name in ("page.css", "page.js"))
    template = _environment().get_template("page.html")
    body = template.render(
        page=page, style=style, script=script, policy=_policy(style, script), drawing=drawing
    )
    return _HEAD + _GENERATOR + body.encode()


def is_page(content: bytes) -> bool:
    """Whether a file is one of these, by how it begins and ends."""
    is_one = content.count(b"</html>") == 1
    return is_one and content.startswith(_HEAD + _GENERATOR) and content.endswith(_TAIL)


def _policy(style: str, script: str) -> str:
    """The content security policy: the file's own style and script, by digest, and no request."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_digest(style)}",
            f"script-src {_digest(script)}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _own(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        return value if isinstance(value, Markup) else visible(str(value))

    environment = Environment(
        loader=FunctionLoader(_own),
        # Also what is in attributes; `tojson` escapes what would end a script.
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = Markup
    environment.filters["for_script"] = _for_script
    return environment


def _for_script(curve: Curve) -> dict[str, Any]:
    """What the slider shows at each point: the texts, and where the charts' moving points are."""
    lines = [drawing.line(chart, curve.shares) for chart in curve.charts]
    return {
        "rows": [[visible(text) for text in row] for row in curve.rows],
        "said": [visible(_said(curve, row)) for row in range(len(curve.rows))],
        "points": [line.points for line in lines if line is not None],
    }


def _said(curve: Curve, index: int) -> str:
    """A point in words, for a screen reader."""
    texts = zip(curve.headers, curve.rows[index], strict=True)
    return "; ".join(f"{header} {text}" for header, text in texts)
