// The configuration: what it holds.
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "fields.h"

struct config {
  // The weight of the newest ratio: (0, 1].
  double smoothing_factor;
  // The largest growth in one step, as a fraction of the current count.
  double max_scale_up;
  // The largest reduction in one step, as a fraction of the current count: [0, 1].
  double max_scale_down;
  // How far the averaged ratio may be from 1 before anything is done: [0, 1].
  double tolerance;
  // The smallest ratio used. At 1 it never scales down.
  double ratio_floor;
};

// Its JSON Schema.
extern const char config_schema[];

// Reads `length` bytes of JSON over the defaults. False: `error` says which field is wrong, and why.
bool config_read(const char *json, size_t length, struct config *config, struct config_error *error);

#endif
