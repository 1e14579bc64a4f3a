// The algorithm, knowing nothing of WebAssembly.

export const NAME = "capped-smooth-ratio-js";
export const VERSION = "0.1.0";
export const SUMMARY = "the largest ratio, exponentially smoothed, in steps of limited size";

/** The largest ratio, exponentially smoothed, in steps of limited size. */
export class Algorithm {
  #config;
  #targets;
  /** Undefined until there was a ratio. */
  #average;

  /** `targets`: one a metric, `{ tag, val }` as the contract has them. */
  constructor(config, targets) {
    this.#config = config;
    this.#targets = targets;
  }

  /**
   * What is needed in place of `current` replicas, and how that came: undefined where there is nothing to go by.
   * One entry of `values` a target; `states` may be shorter: 0 is a value.
   */
  evaluate(current, values, states) {
    const config = this.#config;
    let largest = -Infinity;
    let complete = true;
    this.#targets.forEach((target, metric) => {
      const amount = target.tag === "average-value" ? target.val * current : target.val;
      const ratio = values[metric] / amount;
      if ((states[metric] ?? 0) !== 0 || !Number.isFinite(ratio)) {
        complete = false;
      } else if (ratio > largest) {
        largest = ratio;
      }
    });
    if (largest === -Infinity || current === 0) return undefined;

    const newest = largest < config.ratioFloor ? config.ratioFloor : largest;
    const factor = config.smoothingFactor;
    const before = this.#average;
    const average = before === undefined ? newest : factor * newest + (1 - factor) * before;
    this.#average = average;

    const uncapped = current * average;
    const tolerated = 1 - config.tolerance <= average && average <= 1 + config.tolerance;
    let need;
    if (tolerated || (!complete && uncapped < current)) {
      // What isn't measured may be what needs them.
      need = current;
    } else if (uncapped > current) {
      need = Math.min(uncapped, current + current * config.maxScaleUp);
    } else {
      need = Math.max(uncapped, current - current * config.maxScaleDown);
    }
    return { need: Math.max(need, 0), newest, average, uncapped };
  }

  /** The state as bytes: a version, then 0 for no average, or 2 and the average, little-endian. */
  snapshot() {
    if (this.#average === undefined) return Uint8Array.of(1, 0);
    const state = new Uint8Array(10);
    state.set([1, 2]);
    new DataView(state.buffer).setFloat64(2, this.#average, true);
    return state;
  }

  /** Puts a state back. On an error nothing has changed. */
  restore(state) {
    if (state.length === 0) throw new Error("the state ends too early");
    if (state[0] !== 1) throw new Error(`the state has version ${state[0]}; this one reads version 1`);
    if (state.length === 1) throw new Error("the state ends too early");
    if (state[1] !== 0 && state[1] !== 2) throw new Error("the state is damaged: the average is no ratio");
    const whole = state[1] === 0 ? 2 : 10;
    if (state.length < whole) throw new Error("the state ends too early");
    let average;
    if (whole === 10) {
      average = new DataView(state.buffer, state.byteOffset).getFloat64(2, true);
      if (!Number.isFinite(average)) throw new Error("the state is damaged: a number is not finite");
    }
    if (state.length > whole) throw new Error(`${state.length - whole} bytes of state are left over`);
    this.#average = average;
  }
}

/** Why, for a person. */
export function words(outcome) {
  if (outcome === undefined) return "nothing to go by";
  const { newest, average, uncapped } = outcome;
  return `ratio ${newest.toFixed(3)}, averaged ${average.toFixed(3)}, asks for ${uncapped.toFixed(2)}`;
}
