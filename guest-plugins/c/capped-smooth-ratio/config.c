#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct field {
  const char *name;
  const char *range;
  size_t offset;
  double fallback;
  double least;
  double most;
  // Whether `least` itself is out of range.
  bool above_least;
  // Whether it may be written as 25%.
  bool percent;
} FIELDS[] = {
    {"smoothingFactor", "a fraction in (0, 1]", offsetof(struct config, smoothing_factor), 0.3, 0, 1, true, true},
    {"maxScaleUp", "a fraction of at least 0", offsetof(struct config, max_scale_up), 0.5, 0, INFINITY, false, true},
    {"maxScaleDown", "a fraction in [0, 1]", offsetof(struct config, max_scale_down), 0.25, 0, 1, false, true},
    {"tolerance", "a fraction in [0, 1]", offsetof(struct config, tolerance), 0.1, 0, 1, false, true},
    {"ratioFloor", "a number of at least 0", offsetof(struct config, ratio_floor), 0, 0, INFINITY, false, false},
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof *FIELDS };

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

char *text(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = malloc((size_t)length + 1);
  // Out of memory: a trap, after which the host has the policy's fallback answer.
  if (text == NULL) __builtin_trap();
  va_start(arguments, format);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  return text;
}

static bool wrong(struct config_error *error, char *path, char *message) {
  *error = (struct config_error){path, message};
  return false;
}

static void skip_space(const char **at) {
  *at += strspn(*at, " \t\n\r");
}

static bool take(const char **at, char wanted) {
  skip_space(at);
  if (**at != wanted) return false;
  ++*at;
  return true;
}

// A string as it is written: a name with an escape in it is no field's anyway.
static bool take_string(const char **at, const char **string, size_t *length) {
  if (!take(at, '"')) return false;
  *string = *at;
  while (**at != '"') {
    if ((unsigned char)**at < 0x20) return false;
    if (**at == '\\' && *++*at == '\0') return false;
    ++*at;
  }
  *length = (size_t)(*at - *string);
  ++*at;
  return true;
}

// How long the number at `at` is, in JSON's own grammar; strtod alone would take 0x1p3 and inf too.
static size_t number_length(const char *at) {
  static const char DIGITS[] = "0123456789";
  const char *end = at + (*at == '-');
  size_t digits = strspn(end, DIGITS);
  if (digits == 0) return 0;
  end += *end == '0' ? 1 : digits;
  if (*end == '.') {
    digits = strspn(end + 1, DIGITS);
    if (digits == 0) return 0;
    end += 1 + digits;
  }
  if (*end == 'e' || *end == 'E') {
    const char *exponent = end + 1;
    exponent += *exponent == '+' || *exponent == '-';
    digits = strspn(exponent, DIGITS);
    if (digits == 0) return 0;
    end = exponent + digits;
  }
  return (size_t)(end - at);
}

// 25% for 0.25.
static bool percentage(const char *string, size_t length, double *value) {
  const char *at = string;
  skip_space(&at);
  size_t number = number_length(at);
  if (number == 0) return false;
  *value = strtod(at, NULL) / 100.0;
  at += number;
  skip_space(&at);
  return *at == '%' && at + 1 == string + length;
}

static bool read_value(const char **at, const struct field *field, double *value, struct config_error *error) {
  bool percent = false;
  skip_space(at);
  const char *start = *at;
  size_t length = number_length(start);
  if (length > 0) {
    *value = strtod(start, NULL);
    *at += length;
  } else {
    const char *string;
    percent = take_string(at, &string, &length) && percentage(string, length, value);
    if (!percent) return wrong(error, text("%s", field->name), text("expected a number, or a percentage such as \"25%%\""));
  }
  if (percent && !field->percent) {
    return wrong(error, text("%s", field->name), text("%s must be %s, not a percentage", field->name, field->range));
  }
  // 50 where 50% was meant would be a step of 5,000 %.
  if (field->percent && !percent && *value >= 10) {
    return wrong(error, text("%s", field->name),
                 text("%s must be %s, got %g: for a percentage write \"%g%%\"", field->name, field->range, *value, *value));
  }
  bool in_range = isfinite(*value) && *value >= field->least && *value <= field->most;
  if (!in_range || (field->above_least && *value == field->least)) {
    return wrong(error, text("%s", field->name), text("%s must be %s, got %g", field->name, field->range, *value));
  }
  return true;
}

static bool read_field(const char **at, struct config *config, struct config_error *error) {
  const char *name;
  size_t length;
  if (!take_string(at, &name, &length) || !take(at, ':')) {
    return wrong(error, text("%s", ""), text("the configuration is not JSON: expected a field"));
  }
  for (size_t i = 0; i < FIELD_COUNT; ++i) {
    const struct field *field = &FIELDS[i];
    if (strlen(field->name) == length && memcmp(field->name, name, length) == 0) {
      return read_value(at, field, (double *)((char *)config + field->offset), error);
    }
  }
  return wrong(error, text("%.*s", (int)length, name),
               text("unknown field `%.*s`; known: `smoothingFactor`, `maxScaleUp`, `maxScaleDown`, `tolerance`, `ratioFloor`",
                    (int)length, name));
}

static bool read_fields(const char *at, struct config *config, struct config_error *error) {
  if (take(&at, '{')) {
    if (!take(&at, '}')) {
      do {
        if (!read_field(&at, config, error)) return false;
      } while (take(&at, ','));
      if (!take(&at, '}')) return wrong(error, text("%s", ""), text("the configuration is not JSON: expected , or }"));
    }
  } else if (strncmp(at, "null", 4) == 0) {
    // null is an empty one.
    at += 4;
  } else {
    return wrong(error, text("%s", ""), text("the configuration must be an object"));
  }
  skip_space(&at);
  if (*at != '\0') return wrong(error, text("%s", ""), text("the configuration is not JSON: something follows it"));
  return true;
}

bool config_read(const char *json, size_t length, struct config *config, struct config_error *error) {
  for (size_t i = 0; i < FIELD_COUNT; ++i) {
    *(double *)((char *)config + FIELDS[i].offset) = FIELDS[i].fallback;
  }
  char *terminated = text("%.*s", (int)length, json);
  bool good = read_fields(terminated, config, error);
  free(terminated);
  return good;
}
