"""The algorithm, knowing nothing of WebAssembly.

The largest ratio of a metric to its target says how many replicas are needed. Up at once; down only as far as leaves some
headroom.
"""

import math
from dataclasses import dataclass
from typing import Optional

from config import Config

NAME = "{{name}}"
VERSION = "0.1.0"
SUMMARY = "the largest ratio of a metric to its target, with headroom on the way down"
# The largest need that hosts take.
MOST = 2147483647.0


@dataclass(frozen=True)
class Target:
    """What a reading should be."""

    value: float
    # Whether the reading is divided by the current replicas first.
    average: bool


@dataclass(frozen=True)
class Outcome:
    """What is proposed, and how that came."""

    need: float
    largest: float
    needed: float
    with_headroom: float


class StateError(Exception):
    """A state that can't be put back, and why."""


class Scaling:
    """One workload's algorithm. What it must remember from look to look is more attributes here, which `snapshot` and
    `restore` carry over a restart."""

    def __init__(self, config: Config, targets: list[Target]):
        self.config = config
        self.targets = targets

    def evaluate(self, current: int, values: list[float], states: bytes) -> Optional[Outcome]:
        """What is proposed in place of `current` replicas; None where there is nothing to go by.

        One entry of `values` a target; `states` may be shorter: 0 is a value.
        """
        largest = -math.inf
        complete = True
        for metric, (target, value) in enumerate(zip(self.targets, values)):
            amount = target.value * current if target.average else target.value
            is_value = metric >= len(states) or states[metric] == 0
            # Unlike other languages Python refuses to divide by zero, the average of no replicas.
            if not is_value or amount == 0.0 or not math.isfinite(ratio := value / amount):
                complete = False
            elif ratio > largest:
                largest = ratio
        if largest == -math.inf or current == 0:
            return None

        needed = min(max(0.0, current * largest), MOST)
        with_headroom = needed * (1.0 + self.config.headroom)
        if needed > current:
            need = needed
        elif complete and with_headroom < current:
            need = with_headroom
        else:
            # Between the two there is nothing to do, and what isn't measured may be what needs them.
            need = float(current)
        return Outcome(need, largest, needed, with_headroom)

    def snapshot(self) -> bytes:
        """What it remembers: nothing. Begin with a version where that changes."""
        return b""

    def restore(self, state: bytes) -> None:
        """Puts a state back. Raises StateError, and then nothing has changed."""
        if state:
            raise StateError(f"{len(state)} bytes of state are left over")


def words(outcome: Optional[Outcome]) -> str:
    """Why, for a person."""
    if outcome is None:
        return "nothing to go by"
    of_target = f"{outcome.largest:.3f} of the target"
    return f"{of_target}: {outcome.needed:.2f} needed, {outcome.with_headroom:.2f} with headroom"
