// The algorithm as a component: what the contract exports, in terms of algorithm.js and config.js.
// Nothing to change here.

import { Algorithm, NAME, SUMMARY, VERSION, words } from "./algorithm.js";
import { configSchema, readConfig } from "./config.js";
import { ConfigError } from "./fields.js";

function describe() {
  return {
    name: NAME,
    version: VERSION,
    summary: SUMMARY,
    configSchema: configSchema(),
    metrics: [],
    deterministic: true,
  };
}

/** One workload's algorithm. What is thrown here is an error of the contract where it is one, else a trap. */
class Instance {
  #algorithm;
  #metrics;
  /** The state as the host has it. */
  #known = new Uint8Array(0);

  static create(config, metrics) {
    const instance = new Instance();
    try {
      instance.#algorithm = new Algorithm(readConfig(config), metrics.map((metric) => metric.target));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw { path: error.path, message: error.message };
    }
    instance.#metrics = metrics.length;
    return instance;
  }

  evaluate(look) {
    const { values, states, current, explain } = look;
    if (values.length !== this.#metrics) {
      throw { tag: "bad-observation", val: `${values.length} readings for ${this.#metrics} metrics` };
    }
    const outcome = this.#algorithm.evaluate(current, values, states);
    if (outcome !== undefined && !Number.isFinite(outcome.need)) {
      throw { tag: "refused", val: `a need must be finite, got ${outcome.need}` };
    }
    return {
      proposal: outcome === undefined ? { tag: "hold" } : { tag: "need", val: outcome.need },
      reason: explain ? words(outcome) : "",
      state: this.#changed() ? this.#known : undefined,
    };
  }

  snapshot() {
    this.#changed();
    return this.#known;
  }

  restore(state) {
    try {
      this.#algorithm.restore(state);
    } catch (error) {
      throw error.message;
    }
    this.#changed();
  }

  /** Takes the state, and says whether the host has another. */
  #changed() {
    const known = this.#known;
    const state = this.#algorithm.snapshot();
    if (state.length === known.length && state.every((byte, at) => byte === known[at])) return false;
    this.#known = state;
    return true;
  }
}

export const algorithm = { describe, Instance };
