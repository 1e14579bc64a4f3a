"""The configuration: what it may hold."""

from dataclasses import dataclass

from fields import Number, read_fields, schema_of


@dataclass(frozen=True)
class Config:
    """Every field of it, checked."""

    headroom: float


# In the order of Config's fields.
FIELDS = {
    "headroom": Number(
        "What stays beyond the need on the way down, as a fraction of it.",
        0.2, "a number in [0, 1]", 0, 1, {"minimum": 0, "maximum": 1}, percent=False,
    ),
}


def read_config(text: str) -> Config:
    """The configuration that `text` holds. Raises ConfigError."""
    return Config(*read_fields(text, FIELDS).values())


def config_schema() -> str:
    """The JSON Schema of the configuration."""
    return schema_of(FIELDS)
