#include "config.h"

#include <math.h>

static const struct field FIELDS[] = {
    {"smoothingFactor", "a fraction in (0, 1]", offsetof(struct config, smoothing_factor), 0.3, 0, 1, true, true},
    {"maxScaleUp", "a fraction of at least 0", offsetof(struct config, max_scale_up), 0.5, 0, INFINITY, false, true},
    {"maxScaleDown", "a fraction in [0, 1]", offsetof(struct config, max_scale_down), 0.25, 0, 1, false, true},
    {"tolerance", "a fraction in [0, 1]", offsetof(struct config, tolerance), 0.1, 0, 1, false, true},
    {"ratioFloor", "a number of at least 0", offsetof(struct config, ratio_floor), 0, 0, INFINITY, false, false},
};

#define PERCENTAGE "{\"type\":\"string\",\"pattern\":\"^[0-9]+([.][0-9]+)?%$\"}"
#define FRACTION(description, range) \
  "{\"description\":\"" description "\",\"anyOf\":[{\"type\":\"number\"," range "}," PERCENTAGE "]"

const char config_schema[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"Config\",\"type\":\"object\","
    "\"properties\":{"
    "\"smoothingFactor\":" FRACTION("The weight of the newest ratio.", "\"exclusiveMinimum\":0,\"maximum\":1")
    ",\"default\":0.3},"
    "\"maxScaleUp\":" FRACTION("The largest growth in one step.", "\"minimum\":0,\"exclusiveMaximum\":10")
    ",\"default\":0.5},"
    "\"maxScaleDown\":" FRACTION("The largest reduction in one step.", "\"minimum\":0,\"maximum\":1")
    ",\"default\":0.25},"
    "\"tolerance\":" FRACTION("How far the averaged ratio may be from 1 before anything is done.",
                              "\"minimum\":0,\"maximum\":1")
    ",\"default\":0.1},"
    "\"ratioFloor\":{\"description\":\"The smallest ratio used. At 1 it never scales down.\",\"type\":\"number\","
    "\"minimum\":0,\"default\":0}"
    "},\"additionalProperties\":false}";

bool config_read(const char *json, size_t length, struct config *config, struct config_error *error) {
  struct fields fields = {FIELDS, sizeof FIELDS / sizeof *FIELDS};
  return fields_read(json, length, &fields, config, error);
}
