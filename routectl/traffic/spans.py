"""Attributes of a span -> the values that they are. Used by the readers of traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SCALARS = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue")


def attributes_of(written: object) -> dict[str, Any]:
    """Return attributes by name, of OTLP's list of keys and values or of an object.

    An object may nest what dotted names say flat; it comes out flat, lists as lists.
    """
    if isinstance(written, list):
        pairs = (item for item in written if isinstance(item, dict) and "key" in item)
        return {str(item["key"]): any_value(item.get("value")) for item in pairs}
    return _flat(written) if isinstance(written, dict) else {}


def any_value(value: object, depth: int = 32) -> Any:
    """Return the JSON value of OTLP's AnyValue."""
    if not isinstance(value, dict) or depth <= 0:
        return None
    for kind in _SCALARS:
        if kind in value:
            return value[kind]
    if isinstance(value.get("arrayValue"), dict):
        held = value["arrayValue"].get("values")
        return [any_value(item, depth - 1) for item in held] if isinstance(held, list) else []
    if isinstance(value.get("kvlistValue"), dict):
        held = value["kvlistValue"].get("values")
        pairs = (item for item in held or [] if isinstance(item, dict) and "key" in item)
        return {str(item["key"]): any_value(item.get("value"), depth - 1) for item in pairs}
    return None


def _flat(nested: Mapping[str, Any], prefix: str = "", depth: int = 8) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict) and value and depth > 0:
            flat.update(_flat(value, f"{prefix}{key}.", depth - 1))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def indexed(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the list that names such as `PREFIX.0.role` write flat; empty where there is none."""
    items: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            number, _, field = key.removeprefix(prefix).partition(".")
            if number.isdigit() and field:
                items.setdefault(int(number), {})[field] = value
    return [items[number] for number in sorted(items)]
