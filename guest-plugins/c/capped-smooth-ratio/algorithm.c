#include "algorithm.h"

#include <math.h>
#include <string.h>

static double smaller(double a, double b) {
  return a < b ? a : b;
}

static double larger(double a, double b) {
  return a > b ? a : b;
}

// The reading as a multiple of its target. Not finite where there is none.
static double ratio(struct target target, double value, uint32_t current) {
  double amount = target.kind == TARGET_AVERAGE_VALUE ? target.value * (double)current : target.value;
  return value / amount;
}

struct outcome algorithm_evaluate(struct algorithm *algorithm, uint32_t current, const double *values,
                                  const uint8_t *states, size_t state_count) {
  const struct config *config = &algorithm->config;
  double largest = -INFINITY;
  bool any = false, complete = true;
  for (size_t i = 0; i < algorithm->target_count; ++i) {
    double of_target = ratio(algorithm->targets[i], values[i], current);
    bool is_value = i >= state_count || states[i] == 0;
    if (is_value && isfinite(of_target)) {
      any = true;
      largest = larger(of_target, largest);
    } else {
      complete = false;
    }
  }
  if (!any || current == 0) return (struct outcome){.has_need = false};

  double newest = largest < config->ratio_floor ? config->ratio_floor : largest;
  double factor = config->smoothing_factor;
  double average = algorithm->has_average ? factor * newest + (1.0 - factor) * algorithm->average : newest;
  algorithm->has_average = true;
  algorithm->average = average;

  double replicas = (double)current, uncapped = replicas * average, need;
  bool tolerated = 1.0 - config->tolerance <= average && average <= 1.0 + config->tolerance;
  if (tolerated || (!complete && uncapped < replicas)) {
    // What isn't measured may be what needs them.
    need = replicas;
  } else if (uncapped > replicas) {
    need = smaller(uncapped, replicas + replicas * config->max_scale_up);
  } else {
    need = larger(uncapped, replicas - replicas * config->max_scale_down);
  }
  return (struct outcome){true, larger(need, 0.0), newest, average, uncapped};
}

char *algorithm_words(struct outcome outcome) {
  if (!outcome.has_need) return text("nothing to go by");
  return text("ratio %.3f, averaged %.3f, asks for %.2f", outcome.newest, outcome.average, outcome.uncapped);
}

size_t algorithm_snapshot(const struct algorithm *algorithm, uint8_t state[STATE_MOST]) {
  state[0] = 1;
  state[1] = algorithm->has_average ? 2 : 0;
  if (!algorithm->has_average) return 2;
  memcpy(state + 2, &algorithm->average, sizeof algorithm->average);
  return STATE_MOST;
}

const char *algorithm_restore(struct algorithm *algorithm, const uint8_t *state, size_t length) {
  if (length == 0) return "the state ends too early";
  if (state[0] != 1) return "the state is of another version than 1";
  if (length == 1) return "the state ends too early";
  if (state[1] != 0 && state[1] != 2) return "the state is damaged: the average is no ratio";
  size_t whole = state[1] == 0 ? 2 : STATE_MOST;
  if (length < whole) return "the state ends too early";
  double average = 0;
  if (state[1] == 2) memcpy(&average, state + 2, sizeof average);
  if (!isfinite(average)) return "the state is damaged: a number is not finite";
  if (length > whole) return "bytes of state are left over";
  algorithm->has_average = state[1] == 2;
  algorithm->average = average;
  return NULL;
}
