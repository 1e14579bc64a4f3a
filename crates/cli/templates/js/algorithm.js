// The algorithm, knowing nothing of WebAssembly: the largest ratio of a metric to its target says how many replicas are
// needed. Up at once; down only as far as leaves some headroom.

export const NAME = "{{name}}";
export const VERSION = "0.1.0";
export const SUMMARY = "the largest ratio of a metric to its target, with headroom on the way down";

/** The largest need that hosts take. */
const MOST = 2147483647;

/**
 * One workload's algorithm. What it must remember from look to look are more fields here, which `snapshot` and `restore`
 * carry over a restart.
 */
export class Algorithm {
  #config;
  #targets;

  /** `targets`: one a metric, `{ tag, val }` as the contract has them. */
  constructor(config, targets) {
    this.#config = config;
    this.#targets = targets;
  }

  /**
   * What is proposed in place of `current` replicas, and how that came: undefined where there is nothing to go by.
   * One entry of `values` a target; `states` may be shorter: 0 is a value.
   */
  evaluate(current, values, states) {
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

    const needed = Math.min(Math.max(current * largest, 0), MOST);
    const withHeadroom = needed * (1 + this.#config.headroom);
    let need;
    if (needed > current) {
      need = needed;
    } else if (complete && withHeadroom < current) {
      need = withHeadroom;
    } else {
      // Between the two there is nothing to do, and what isn't measured may be what needs them.
      need = current;
    }
    return { need, largest, needed, withHeadroom };
  }

  /** What it remembers: nothing. Begin with a version where that changes. */
  snapshot() {
    return new Uint8Array(0);
  }

  /** Puts a state back. On an error nothing has changed. */
  restore(state) {
    if (state.length > 0) throw new Error(`${state.length} bytes of state are left over`);
  }
}

/** Why, for a person. */
export function words(outcome) {
  if (outcome === undefined) return "nothing to go by";
  const { largest, needed, withHeadroom } = outcome;
  const need = `${needed.toFixed(2)} needed, ${withHeadroom.toFixed(2)} with headroom`;
  return `${largest.toFixed(3)} of the target: ${need}`;
}
