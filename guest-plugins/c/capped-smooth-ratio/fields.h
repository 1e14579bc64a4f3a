// Configurations of numbers, read from JSON. Nothing to change here.
#ifndef FIELDS_H
#define FIELDS_H

#include <stdbool.h>
#include <stddef.h>

// A field that holds a double.
struct field {
  const char *name;
  // The range in words, for who is outside it.
  const char *range;
  // Where it is in the configuration's structure.
  size_t offset;
  double fallback;
  double least;
  double most;
  // Whether `least` itself is out of range.
  bool above_least;
  // Whether it may be written as 25%.
  bool percent;
};

struct fields {
  const struct field *list;
  size_t count;
};

// Both on the heap. The path is empty for the configuration as a whole.
struct config_error {
  char *path;
  char *message;
};

// Reads `length` bytes of JSON into the structure at `config`, over the defaults. False: `error` says which field is
// wrong, and why.
bool fields_read(const char *json, size_t length, const struct fields *fields, void *config,
                 struct config_error *error);

// As snprintf, into as much heap as it takes.
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
