// The algorithm, knowing nothing of WebAssembly: the largest ratio of a metric to its target says how many replicas are
// needed. Up at once; down only as far as leaves some headroom.
#ifndef ALGORITHM_H
#define ALGORITHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define NAME "{{name}}"
#define VERSION "0.1.0"
#define SUMMARY "the largest ratio of a metric to its target, with headroom on the way down"

// What a reading should be, in the contract's order.
enum target_kind { TARGET_VALUE, TARGET_AVERAGE_VALUE, TARGET_UTILIZATION };

struct target {
  enum target_kind kind;
  double value;
};

// One workload's. What it must remember from look to look are more members here, which the state carries over a restart.
struct algorithm {
  struct config config;
  struct target *targets;
  size_t target_count;
};

// What one look comes to.
struct outcome {
  // False: keep the current count.
  bool has_need;
  double need;
  // What led there, where `has_need`.
  double largest;
  double needed;
  double with_headroom;
};

// The proposal for `current` replicas. One entry of `values` a target; `states` may be shorter: 0 is a value.
struct outcome algorithm_evaluate(struct algorithm *algorithm, uint32_t current, const double *values,
                                  const uint8_t *states, size_t state_count);

// Why, for a person. On the heap.
char *algorithm_words(struct outcome outcome);

// The state as bytes, and how many: none, for it remembers nothing. Begin with a version where that changes.
enum { STATE_MOST = 1 };
size_t algorithm_snapshot(const struct algorithm *algorithm, uint8_t state[STATE_MOST]);

// Puts a state back. NULL when that went well, else what is wrong, and nothing has changed.
const char *algorithm_restore(struct algorithm *algorithm, const uint8_t *state, size_t length);

#endif
