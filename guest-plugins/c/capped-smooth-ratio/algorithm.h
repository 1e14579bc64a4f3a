// The algorithm, knowing nothing of WebAssembly.
#ifndef ALGORITHM_H
#define ALGORITHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

#define NAME "capped-smooth-ratio-c"
#define VERSION "0.1.0"
#define SUMMARY "the largest ratio, exponentially smoothed, in steps of limited size"

// What a reading should be, in the contract's order.
enum target_kind { TARGET_VALUE, TARGET_AVERAGE_VALUE, TARGET_UTILIZATION };

struct target {
  enum target_kind kind;
  double value;
};

struct algorithm {
  struct config config;
  struct target *targets;
  size_t target_count;
  bool has_average;
  double average;
};

// What one look comes to.
struct outcome {
  // False: keep the current count.
  bool has_need;
  double need;
  // What led there, where `has_need`.
  double newest;
  double average;
  double uncapped;
};

// The proposal for `current` replicas. One entry of `values` a target; `states` may be shorter: 0 is a value.
struct outcome algorithm_evaluate(struct algorithm *algorithm, uint32_t current, const double *values,
                                  const uint8_t *states, size_t state_count);

// Why, for a person. On the heap.
char *algorithm_words(struct outcome outcome);

// The state as bytes: a version, then 0 for no average, or 2 and the average, little-endian.
enum { STATE_MOST = 10 };
size_t algorithm_snapshot(const struct algorithm *algorithm, uint8_t state[STATE_MOST]);

// Puts a state back. NULL when that went well, else what is wrong, and nothing has changed.
const char *algorithm_restore(struct algorithm *algorithm, const uint8_t *state, size_t length);

#endif
