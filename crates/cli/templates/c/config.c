#include "config.h"

static const struct field FIELDS[] = {
    {"headroom", "a number in [0, 1]", offsetof(struct config, headroom), 0.2, 0, 1, false, false},
};

const char config_schema[] =
    "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":\"Config\",\"type\":\"object\","
    "\"properties\":{"
    "\"headroom\":{\"description\":\"What stays beyond the need on the way down, as a fraction of it.\","
    "\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":0.2}"
    "},\"additionalProperties\":false}";

bool config_read(const char *json, size_t length, struct config *config, struct config_error *error) {
  struct fields fields = {FIELDS, sizeof FIELDS / sizeof *FIELDS};
  return fields_read(json, length, &fields, config, error);
}
