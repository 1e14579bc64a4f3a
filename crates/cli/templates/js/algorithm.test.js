import assert from "node:assert/strict";
import test from "node:test";

import { Algorithm } from "./algorithm.js";
import { readConfig } from "./config.js";

/** What is proposed at 10 replicas for a queue that should have 4 a replica. */
function evaluate(headroom, queue, states = []) {
  return new Algorithm({ headroom }, [{ tag: "average-value", val: 4 }]).evaluate(10, [queue], states);
}

test("it goes up at once and down with headroom", () => {
  const rows = [
    ["at its target", 0.2, 40, 10],
    ["above it", 0.2, 60, 15],
    ["too little below it", 0.2, 36, 10],
    ["well below it", 0.2, 20, 6],
    ["well below it, with more headroom", 0.5, 20, 7.5],
    ["idle", 0.2, 0, 0],
  ];
  for (const [name, headroom, queue, want] of rows) {
    assert.equal(evaluate(headroom, queue).need, want, name);
  }
});

test("without a reading nothing changes", () => {
  const missing = [1];
  assert.equal(evaluate(0.2, 0, missing), undefined);
});

test("a headroom out of range is refused", () => {
  assert.deepEqual(readConfig("null"), { headroom: 0.2 });
  assert.throws(() => readConfig('{"headroom": 3}'), { path: "headroom" });
});

test("foreign state is refused", () => {
  const algorithm = new Algorithm({ headroom: 0.2 }, []);
  algorithm.restore(algorithm.snapshot());
  assert.throws(() => algorithm.restore(Uint8Array.of(1)), /left over/);
});
