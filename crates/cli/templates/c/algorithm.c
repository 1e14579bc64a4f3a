#include "algorithm.h"

#include <math.h>

// The largest need that hosts take.
#define MOST 2147483647.0

// The reading as a multiple of its target. Not finite where there is none.
static double ratio(struct target target, double value, uint32_t current) {
  double amount = target.kind == TARGET_AVERAGE_VALUE ? target.value * (double)current : target.value;
  return value / amount;
}

struct outcome algorithm_evaluate(struct algorithm *algorithm, uint32_t current, const double *values,
                                  const uint8_t *states, size_t state_count) {
  double largest = -INFINITY;
  bool complete = true;
  for (size_t i = 0; i < algorithm->target_count; ++i) {
    double of_target = ratio(algorithm->targets[i], values[i], current);
    bool is_value = i >= state_count || states[i] == 0;
    if (!is_value || !isfinite(of_target)) {
      complete = false;
    } else if (of_target > largest) {
      largest = of_target;
    }
  }
  if (largest == -INFINITY || current == 0) return (struct outcome){.has_need = false};

  double replicas = (double)current;
  double needed = fmin(fmax(replicas * largest, 0), MOST);
  double with_headroom = needed * (1.0 + algorithm->config.headroom);
  double need;
  if (needed > replicas) {
    need = needed;
  } else if (complete && with_headroom < replicas) {
    need = with_headroom;
  } else {
    // Between the two there is nothing to do, and what isn't measured may be what needs them.
    need = replicas;
  }
  return (struct outcome){true, need, largest, needed, with_headroom};
}

char *algorithm_words(struct outcome outcome) {
  if (!outcome.has_need) return text("nothing to go by");
  return text("%.3f of the target: %.2f needed, %.2f with headroom", outcome.largest, outcome.needed,
              outcome.with_headroom);
}

size_t algorithm_snapshot(const struct algorithm *algorithm, uint8_t state[STATE_MOST]) {
  (void)algorithm, (void)state;
  return 0;
}

const char *algorithm_restore(struct algorithm *algorithm, const uint8_t *state, size_t length) {
  (void)algorithm, (void)state;
  return length == 0 ? NULL : "bytes of state are left over";
}
