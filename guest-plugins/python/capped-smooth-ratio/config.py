"""The configuration: what it may hold."""

import math
from dataclasses import dataclass, fields

from fields import Number, read_fields, schema_of


@dataclass(frozen=True)
class Config:
    """Every field of it, checked."""

    smoothing_factor: float
    max_scale_up: float
    max_scale_down: float
    tolerance: float
    ratio_floor: float


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


def read_config(text: str) -> Config:
    """The configuration that `text` holds. Raises ConfigError."""
    return Config(*read_fields(text, FIELDS).values())


def config_schema() -> str:
    """The JSON Schema of the configuration."""
    return schema_of(FIELDS)
