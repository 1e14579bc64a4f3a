// The configuration: what it may hold.

import { readFields, schemaOf } from "./fields.js";

const FIELDS = {
  headroom: {
    description: "What stays beyond the need on the way down, as a fraction of it.",
    fallback: 0.2,
    range: "a number in [0, 1]",
    allowed: (value) => value >= 0 && value <= 1,
    schema: { minimum: 0, maximum: 1 },
    percent: false,
  },
};

/** The configuration that `text` holds, every field of it. Throws a ConfigError. */
export function readConfig(text) {
  return readFields(text, FIELDS);
}

/** The JSON Schema of the configuration, as text. */
export function configSchema() {
  return schemaOf(FIELDS);
}
