"""The algorithm, knowing nothing of WebAssembly."""

import math
import struct
from dataclasses import dataclass
from typing import Optional

from config import Config

NAME = "capped-smooth-ratio-python"
VERSION = "0.1.0"
SUMMARY = "the largest ratio, exponentially smoothed, in steps of limited size"


@dataclass(frozen=True)
class Target:
    """What a reading should be."""

    value: float
    # Whether the reading is divided by the current replicas first.
    average: bool


@dataclass(frozen=True)
class Outcome:
    """What is needed, and how that came."""

    need: float
    newest: float
    average: float
    uncapped: float


class StateError(Exception):
    """A state that can't be put back, and why."""


class Scaling:
    """The largest ratio, exponentially smoothed, in steps of limited size."""

    def __init__(self, config: Config, targets: list[Target]):
        self.config = config
        self.targets = targets
        # None until there was a ratio.
        self.average: Optional[float] = None

    def evaluate(self, current: int, values: list[float], states: bytes) -> Optional[Outcome]:
        """What is needed in place of `current` replicas; None where there is nothing to go by.

        One entry of `values` a target; `states` may be shorter: 0 is a value.
        """
        largest = -math.inf
        complete = True
        for metric, (target, value) in enumerate(zip(self.targets, values)):
            amount = target.value * current if target.average else target.value
            is_value = metric >= len(states) or states[metric] == 0
            # Unlike the other languages Python refuses to divide by zero; no target but an average of none is zero.
            if not is_value or amount == 0.0 or not math.isfinite(ratio := value / amount):
                complete = False
            elif ratio > largest:
                largest = ratio
        if largest == -math.inf or current == 0:
            return None

        config = self.config
        newest = config.ratio_floor if largest < config.ratio_floor else largest
        factor = config.smoothing_factor
        average = newest if self.average is None else factor * newest + (1.0 - factor) * self.average
        self.average = average

        uncapped = current * average
        tolerated = 1.0 - config.tolerance <= average <= 1.0 + config.tolerance
        if tolerated or (not complete and uncapped < current):
            # What isn't measured may be what needs them.
            need = float(current)
        elif uncapped > current:
            need = min(uncapped, current + current * config.max_scale_up)
        else:
            need = max(uncapped, current - current * config.max_scale_down)
        return Outcome(max(0.0, need), newest, average, uncapped)

    def snapshot(self) -> bytes:
        """The state: a version, then 0 for no average, or 2 and the average, little-endian."""
        return b"\x01\x00" if self.average is None else struct.pack("<BBd", 1, 2, self.average)

    def restore(self, state: bytes) -> None:
        """Puts a state back. Raises StateError, and then nothing has changed."""
        if len(state) < 1:
            raise StateError("the state ends too early")
        if state[0] != 1:
            raise StateError(f"the state has version {state[0]}; this one reads version 1")
        layout = {0: "<BB", 2: "<BBd"}.get(state[1]) if len(state) > 1 else "<BB"
        if layout is None:
            raise StateError("the state is damaged: the average is no ratio")
        whole = struct.calcsize(layout)
        if len(state) < whole:
            raise StateError("the state ends too early")
        _, _, *average = struct.unpack_from(layout, state)
        if not all(map(math.isfinite, average)):
            raise StateError("the state is damaged: a number is not finite")
        if len(state) > whole:
            raise StateError(f"{len(state) - whole} bytes of state are left over")
        self.average = average[0] if average else None


def words(outcome: Optional[Outcome]) -> str:
    """Why, for a person."""
    if outcome is None:
        return "nothing to go by"
    return f"ratio {outcome.newest:.3f}, averaged {outcome.average:.3f}, asks for {outcome.uncapped:.2f}"
