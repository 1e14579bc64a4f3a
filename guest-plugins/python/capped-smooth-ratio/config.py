"""The configuration: what it may hold, and how it is read."""

import json
import math
import re
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Config:
    """Every field of it, checked."""

    smoothing_factor: float
    max_scale_up: float
    max_scale_down: float
    tolerance: float
    ratio_floor: float


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


# In the order of Config's fields.
FIELDS = {
    "smoothingFactor": Number(
        "The weight of the newest ratio.",
        0.3, "a fraction in (0, 1]", 0, 1, {"exclusiveMinimum": 0, "maximum": 1}, above_least=True,
    ),
    "maxScaleUp": Number(
        "The largest growth in one step.",
        0.5, "a fraction of at least 0", 0, math.inf, {"minimum": 0, "exclusiveMaximum": 10},
    ),
    "maxScaleDown": Number(
        "The largest reduction in one step.",
        0.25, "a fraction in [0, 1]", 0, 1, {"minimum": 0, "maximum": 1},
    ),
    "tolerance": Number(
        "How far the averaged ratio may be from 1 before anything is done.",
        0.1, "a fraction in [0, 1]", 0, 1, {"minimum": 0, "maximum": 1},
    ),
    "ratioFloor": Number(
        "The smallest ratio used. At 1 it never scales down.",
        0.0, "a number of at least 0", 0, math.inf, {"minimum": 0}, percent=False,
    ),
}
assert len(FIELDS) == len(fields(Config))

PERCENTAGE = re.compile(r"\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*%", re.ASCII)


def read_config(text: str) -> Config:
    """The configuration that `text` holds. Raises ConfigError."""
    values = {name: field.default for name, field in FIELDS.items()}
    for name, written in parse(text).items():
        if name not in FIELDS:
            known = ", ".join(f"`{known}`" for known in FIELDS)
            raise ConfigError(name, f"unknown field `{name}`; known: {known}")
        values[name] = read_number(name, written)
    return Config(*values.values())


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


def read_number(name: str, written: object) -> float:
    field = FIELDS[name]
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


def config_schema() -> str:
    """The JSON Schema of the configuration."""

    def schema(field: Number) -> dict:
        number = {"type": "number", **field.schema}
        if field.percent:
            number = {"anyOf": [number, {"type": "string", "pattern": "^[0-9]+([.][0-9]+)?%$"}]}
        return {"description": field.description, **number, "default": field.default}

    return json.dumps({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Config",
        "type": "object",
        "properties": {name: schema(field) for name, field in FIELDS.items()},
        "additionalProperties": False,
    })
