// The configuration: what it holds.
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "fields.h"

struct config {
  // What stays beyond the need on the way down, as a fraction of it: [0, 1].
  double headroom;
};

// Its JSON Schema.
extern const char config_schema[];

// Reads `length` bytes of JSON over the defaults. False: `error` says which field is wrong, and why.
bool config_read(const char *json, size_t length, struct config *config, struct config_error *error);

#endif
