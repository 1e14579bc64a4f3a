#include "fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (!percent) {
      return wrong(error, text("%s", field->name), text("expected a number, or a percentage such as \"25%%\""));
    }
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

// The names of all fields, for who has written another.
static char *known(const struct fields *fields) {
  char *names = text("%s", "");
  for (size_t i = 0; i < fields->count; ++i) {
    char *longer = text("%s%s`%s`", names, i == 0 ? "" : ", ", fields->list[i].name);
    free(names);
    names = longer;
  }
  return names;
}

static bool read_field(const char **at, const struct fields *fields, void *config, struct config_error *error) {
  const char *name;
  size_t length;
  if (!take_string(at, &name, &length) || !take(at, ':')) {
    return wrong(error, text("%s", ""), text("the configuration is not JSON: expected a field"));
  }
  for (size_t i = 0; i < fields->count; ++i) {
    const struct field *field = &fields->list[i];
    if (strlen(field->name) == length && memcmp(field->name, name, length) == 0) {
      return read_value(at, field, (double *)((char *)config + field->offset), error);
    }
  }
  char *names = known(fields);
  wrong(error, text("%.*s", (int)length, name), text("unknown field `%.*s`; known: %s", (int)length, name, names));
  free(names);
  return false;
}

static bool read_fields(const char *at, const struct fields *fields, void *config, struct config_error *error) {
  if (take(&at, '{')) {
    if (!take(&at, '}')) {
      do {
        if (!read_field(&at, fields, config, error)) return false;
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

bool fields_read(const char *json, size_t length, const struct fields *fields, void *config,
                 struct config_error *error) {
  for (size_t i = 0; i < fields->count; ++i) {
    *(double *)((char *)config + fields->list[i].offset) = fields->list[i].fallback;
  }
  char *terminated = text("%.*s", (int)length, json);
  bool good = read_fields(terminated, fields, config, error);
  free(terminated);
  return good;
}
