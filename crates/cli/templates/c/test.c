// Tests of the algorithm and its configuration, for this machine and not for WebAssembly: `make test`.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../algorithm.h"

static int failed = 0;

static void check(bool holds, const char *name) {
  if (holds) return;
  fprintf(stderr, "failed: %s\n", name);
  failed = 1;
}

// What is proposed at 10 replicas for a queue that should have 4 a replica.
static struct outcome evaluate(double headroom, double queue, uint8_t state) {
  struct target target = {TARGET_AVERAGE_VALUE, 4};
  struct algorithm algorithm = {.config = {headroom}, .targets = &target, .target_count = 1};
  return algorithm_evaluate(&algorithm, 10, &queue, &state, 1);
}

static void it_goes_up_at_once_and_down_with_headroom(void) {
  static const struct {
    const char *name;
    double headroom, queue, want;
  } ROWS[] = {
      {"at its target", 0.2, 40, 10},
      {"above it", 0.2, 60, 15},
      {"too little below it", 0.2, 36, 10},
      {"well below it", 0.2, 20, 6},
      {"well below it, with more headroom", 0.5, 20, 7.5},
      {"idle", 0.2, 0, 0},
  };
  for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; ++i) {
    struct outcome outcome = evaluate(ROWS[i].headroom, ROWS[i].queue, 0);
    check(outcome.has_need && outcome.need == ROWS[i].want, ROWS[i].name);
  }
}

static void without_a_reading_nothing_changes(void) {
  const uint8_t missing = 1;
  check(!evaluate(0.2, 0, missing).has_need, "a missing reading is no zero");
}

static void a_headroom_out_of_range_is_refused(void) {
  struct config config;
  struct config_error error;
  check(config_read("null", 4, &config, &error) && config.headroom == 0.2, "the defaults");
  const char *json = "{\"headroom\": 3}";
  bool refused = !config_read(json, strlen(json), &config, &error);
  check(refused && strcmp(error.path, "headroom") == 0, "a headroom of 3");
  if (refused) {
    free(error.path);
    free(error.message);
  }
}

static void foreign_state_is_refused(void) {
  struct algorithm algorithm = {.config = {0.2}};
  uint8_t state[STATE_MOST] = {0};
  check(algorithm_restore(&algorithm, state, algorithm_snapshot(&algorithm, state)) == NULL, "its own state");
  check(algorithm_restore(&algorithm, state, 1) != NULL, "a byte of state");
}

int main(void) {
  it_goes_up_at_once_and_down_with_headroom();
  without_a_reading_nothing_changes();
  a_headroom_out_of_range_is_refused();
  foreign_state_is_refused();
  if (failed == 0) puts("all tests passed");
  return failed;
}
