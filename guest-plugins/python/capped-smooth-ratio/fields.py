"""Configurations of numbers, read from JSON text. Nothing to change here."""

import json
import math
import re
from dataclasses import dataclass


class ConfigError(Exception):
    """What is wrong with a configuration, and at which field; the path is empty for the whole."""

    def __init__(self, path: str, message: str):
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(frozen=True)
class Number:
    """A field that holds a number."""

    description: str
    default: float
    allowed: str
    least: float
    most: float
    schema: dict
    above_least: bool = False
    percent: bool = True

    def holds(self, value: float) -> bool:
        if not math.isfinite(value) or (self.above_least and value == self.least):
            return False
        return self.least <= value <= self.most


PERCENTAGE = re.compile(r"\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*%", re.ASCII)


def read_fields(text: str, fields: dict[str, Number]) -> dict[str, float]:
    """The configuration that `text` holds, every field of it. Raises ConfigError."""
    values = {name: field.default for name, field in fields.items()}
    for name, written in parse(text).items():
        if name not in fields:
            known = ", ".join(f"`{known}`" for known in fields)
            raise ConfigError(name, f"unknown field `{name}`; known: {known}")
        values[name] = read_number(name, written, fields[name])
    return values


def parse(text: str) -> dict:
    def constant(name: str):
        raise ConfigError("", f"the configuration is not JSON: {name} is no number")

    try:
        given = json.loads(text, parse_int=float, parse_constant=constant)
    except ValueError as error:
        raise ConfigError("", f"the configuration is not JSON: {error}") from None
    # null is an empty one.
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ConfigError("", "the configuration must be an object")
    return given


def read_number(name: str, written: object, field: Number) -> float:
    if isinstance(written, str):
        percentage = PERCENTAGE.fullmatch(written)
        if percentage is None:
            raise not_a_number(name)
        if not field.percent:
            raise ConfigError(name, f"{name} must be {field.allowed}, not a percentage")
        value = float(percentage[1]) / 100.0
    elif isinstance(written, float):
        value = written
        # 50 where 50% was meant would be a step of 5,000 %.
        if field.percent and value >= 10:
            advice = f'for a percentage write "{value:g}%"'
            raise ConfigError(name, f"{name} must be {field.allowed}, got {value:g}: {advice}")
    else:
        raise not_a_number(name)
    if not field.holds(value):
        raise ConfigError(name, f"{name} must be {field.allowed}, got {value:g}")
    return value


def not_a_number(name: str) -> ConfigError:
    return ConfigError(name, 'expected a number, or a percentage such as "25%"')


def schema_of(fields: dict[str, Number]) -> str:
    """The JSON Schema of a configuration of `fields`."""

    def schema(field: Number) -> dict:
        number = {"type": "number", **field.schema}
        if field.percent:
            number = {"anyOf": [number, {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?%$"}]}
        return {"description": field.description, **number, "default": field.default}

    return json.dumps({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Config",
        "type": "object",
        "properties": {name: schema(field) for name, field in fields.items()},
        "additionalProperties": False,
    })
