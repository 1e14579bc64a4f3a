import unittest

from config import Config, read_config
from fields import ConfigError
from scaling import Scaling, StateError, Target


def evaluate(headroom, queue, states=b""):
    """What is proposed at 10 replicas for a queue that should have 4 a replica."""
    return Scaling(Config(headroom), [Target(4.0, average=True)]).evaluate(10, [queue], states)


class ScalingTest(unittest.TestCase):
    def test_it_goes_up_at_once_and_down_with_headroom(self):
        for name, headroom, queue, want in [
            ("at its target", 0.2, 40.0, 10.0),
            ("above it", 0.2, 60.0, 15.0),
            ("too little below it", 0.2, 36.0, 10.0),
            ("well below it", 0.2, 20.0, 6.0),
            ("well below it, with more headroom", 0.5, 20.0, 7.5),
            ("idle", 0.2, 0.0, 0.0),
        ]:
            with self.subTest(name):
                self.assertEqual(evaluate(headroom, queue).need, want)

    def test_without_a_reading_nothing_changes(self):
        missing = bytes([1])
        self.assertIsNone(evaluate(0.2, 0.0, missing))

    def test_a_headroom_out_of_range_is_refused(self):
        self.assertEqual(read_config("null"), Config(0.2))
        with self.assertRaises(ConfigError) as wrong:
            read_config('{"headroom": 3}')
        self.assertEqual(wrong.exception.path, "headroom")

    def test_foreign_state_is_refused(self):
        algorithm = Scaling(Config(0.2), [])
        algorithm.restore(algorithm.snapshot())
        with self.assertRaises(StateError):
            algorithm.restore(b"x")


if __name__ == "__main__":
    unittest.main()
