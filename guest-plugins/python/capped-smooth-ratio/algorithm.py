"""The algorithm as a component: what the contract exports, in terms of scaling.py and config.py.
Nothing to change here.

The tools look for these classes by name, and for `Instance` in a module named as its interface is.
"""

import math

from componentize_py_types import Err
from config import config_schema, read_config
from fields import ConfigError
from scaling import NAME, SUMMARY, VERSION, Scaling, StateError, Target, words
from wit_world import exports
from wit_world.exports.algorithm import Instance as Exported
from wit_world.imports import types


class Algorithm(exports.Algorithm):
    def describe(self) -> types.Description:
        return types.Description(
            name=NAME,
            version=VERSION,
            summary=SUMMARY,
            config_schema=config_schema(),
            metrics=[],
            deterministic=True,
        )


class Instance(Exported):
    """One workload's algorithm. An Err is an error of the contract; any other exception is a trap."""

    def __init__(self, inner: Scaling):
        self.inner = inner
        # The state as the host has it.
        self.known = b""

    @classmethod
    def create(cls, config: str, metrics: list[types.Metric]) -> "Instance":
        try:
            return cls(Scaling(read_config(config), [target(metric) for metric in metrics]))
        except ConfigError as error:
            raise Err(types.ConfigError(error.path, error.message)) from None

    def evaluate(self, look: types.Observation) -> types.Answer:
        readings, metrics = len(look.values), len(self.inner.targets)
        if readings != metrics:
            raise Err(types.Failure_BadObservation(f"{readings} readings for {metrics} metrics"))
        outcome = self.inner.evaluate(look.current, look.values, look.states)
        if outcome is not None and not math.isfinite(outcome.need):
            raise Err(types.Failure_Refused(f"a need must be finite, got {outcome.need}"))
        return types.Answer(
            proposal=types.Proposal_Hold() if outcome is None else types.Proposal_Need(outcome.need),
            reason=words(outcome) if look.explain else "",
            state=self.known if self.changed() else None,
        )

    def snapshot(self) -> bytes:
        self.changed()
        return self.known

    def restore(self, state: bytes) -> None:
        try:
            self.inner.restore(state)
        except StateError as error:
            raise Err(str(error)) from None
        self.changed()

    def changed(self) -> bool:
        """Takes the state, and says whether the host has another."""
        before, self.known = self.known, self.inner.snapshot()
        return self.known != before


def target(metric: types.Metric) -> Target:
    return Target(metric.target.value, isinstance(metric.target, types.Target_AverageValue))
