// The algorithm as a component: what the contract exports, in terms of algorithm.h. Nothing to change here.
//
// Whoever is given a string or a list here owns it: arguments are freed below, results by the bindings once the host
// has read them.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "algorithm.h"
#include "bindings/plugin.h"

// One workload's algorithm, and its state as the host has it.
struct exports_setpoint_scaling_algorithm_instance_t {
  struct algorithm algorithm;
  uint8_t known[STATE_MOST];
  size_t known_length;
};

static void *allocate(size_t size) {
  void *memory = malloc(size);
  // Out of memory: a trap, after which the host has the policy's fallback answer.
  if (memory == NULL) __builtin_trap();
  return memory;
}

static plugin_string_t owned(char *string) {
  return (plugin_string_t){(uint8_t *)string, strlen(string)};
}

static plugin_list_u8_t copied(const uint8_t *bytes, size_t length) {
  // Nobody would free an empty one.
  if (length == 0) return (plugin_list_u8_t){0};
  plugin_list_u8_t list = {allocate(length), length};
  memcpy(list.ptr, bytes, length);
  return list;
}

void exports_setpoint_scaling_algorithm_describe(exports_setpoint_scaling_algorithm_description_t *description) {
  *description = (exports_setpoint_scaling_algorithm_description_t){.deterministic = true};
  plugin_string_dup(&description->name, NAME);
  plugin_string_dup(&description->version, VERSION);
  plugin_string_dup(&description->summary, SUMMARY);
  plugin_string_dup(&description->config_schema, config_schema);
}

static struct target target_of(setpoint_scaling_types_target_t target) {
  switch (target.tag) {
    case SETPOINT_SCALING_TYPES_TARGET_VALUE:
      return (struct target){TARGET_VALUE, target.val.value};
    case SETPOINT_SCALING_TYPES_TARGET_AVERAGE_VALUE:
      return (struct target){TARGET_AVERAGE_VALUE, target.val.average_value};
    default:
      return (struct target){TARGET_UTILIZATION, target.val.utilization};
  }
}

bool exports_setpoint_scaling_algorithm_static_instance_create(
    plugin_string_t *config, exports_setpoint_scaling_algorithm_list_metric_t *metrics,
    exports_setpoint_scaling_algorithm_own_instance_t *made, exports_setpoint_scaling_algorithm_config_error_t *wrong) {
  struct config read;
  struct config_error error;
  bool good = config_read((const char *)config->ptr, config->len, &read, &error);
  if (good) {
    exports_setpoint_scaling_algorithm_instance_t *instance = allocate(sizeof *instance);
    *instance = (exports_setpoint_scaling_algorithm_instance_t){.algorithm.config = read};
    instance->algorithm.target_count = metrics->len;
    // One more than none: allocating nothing may give NULL.
    instance->algorithm.targets = allocate((metrics->len + 1) * sizeof *instance->algorithm.targets);
    for (size_t i = 0; i < metrics->len; ++i) {
      instance->algorithm.targets[i] = target_of(metrics->ptr[i].target);
    }
    *made = exports_setpoint_scaling_algorithm_instance_new(instance);
  } else {
    wrong->path = owned(error.path);
    wrong->message = owned(error.message);
  }
  plugin_string_free(config);
  exports_setpoint_scaling_algorithm_list_metric_free(metrics);
  return good;
}

void exports_setpoint_scaling_algorithm_instance_destructor(exports_setpoint_scaling_algorithm_instance_t *instance) {
  free(instance->algorithm.targets);
  free(instance);
}

// Takes the state, and says whether the host has another.
static bool changed(exports_setpoint_scaling_algorithm_instance_t *instance) {
  uint8_t state[STATE_MOST];
  size_t length = algorithm_snapshot(&instance->algorithm, state);
  if (length == instance->known_length && memcmp(state, instance->known, length) == 0) return false;
  memcpy(instance->known, state, length);
  instance->known_length = length;
  return true;
}

static bool evaluate(exports_setpoint_scaling_algorithm_instance_t *instance,
                     const exports_setpoint_scaling_algorithm_observation_t *look,
                     exports_setpoint_scaling_algorithm_answer_t *answer,
                     exports_setpoint_scaling_algorithm_failure_t *failure) {
  struct algorithm *algorithm = &instance->algorithm;
  if (look->values.len != algorithm->target_count) {
    failure->tag = SETPOINT_SCALING_TYPES_FAILURE_BAD_OBSERVATION;
    failure->val.bad_observation =
        owned(text("%zu readings for %zu metrics", look->values.len, algorithm->target_count));
    return false;
  }
  struct outcome outcome =
      algorithm_evaluate(algorithm, look->current, look->values.ptr, look->states.ptr, look->states.len);
  if (outcome.has_need && !isfinite(outcome.need)) {
    failure->tag = SETPOINT_SCALING_TYPES_FAILURE_REFUSED;
    failure->val.refused = owned(text("a need must be finite, got %g", outcome.need));
    return false;
  }
  *answer = (exports_setpoint_scaling_algorithm_answer_t){.proposal.tag = SETPOINT_SCALING_TYPES_PROPOSAL_HOLD};
  if (outcome.has_need) {
    answer->proposal.tag = SETPOINT_SCALING_TYPES_PROPOSAL_NEED;
    answer->proposal.val.need = outcome.need;
  }
  if (look->explain) {
    answer->reason = owned(algorithm_words(outcome));
  }
  if (changed(instance)) {
    answer->state.is_some = true;
    answer->state.val = copied(instance->known, instance->known_length);
  }
  return true;
}

bool exports_setpoint_scaling_algorithm_method_instance_evaluate(
    exports_setpoint_scaling_algorithm_borrow_instance_t instance,
    exports_setpoint_scaling_algorithm_observation_t *look, exports_setpoint_scaling_algorithm_answer_t *answer,
    exports_setpoint_scaling_algorithm_failure_t *failure) {
  bool answered = evaluate(instance, look, answer, failure);
  exports_setpoint_scaling_algorithm_observation_free(look);
  return answered;
}

void exports_setpoint_scaling_algorithm_method_instance_snapshot(
    exports_setpoint_scaling_algorithm_borrow_instance_t instance, plugin_list_u8_t *state) {
  changed(instance);
  *state = copied(instance->known, instance->known_length);
}

bool exports_setpoint_scaling_algorithm_method_instance_restore(
    exports_setpoint_scaling_algorithm_borrow_instance_t instance, plugin_list_u8_t *state, plugin_string_t *wrong) {
  const char *what = algorithm_restore(&instance->algorithm, state->ptr, state->len);
  if (what == NULL) {
    changed(instance);
  } else {
    plugin_string_dup(wrong, what);
  }
  plugin_list_u8_free(state);
  return what == NULL;
}
