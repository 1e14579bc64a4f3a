// The configuration: what it may hold.

import { readFields, schemaOf } from "./fields.js";

const FIELDS = {
  smoothingFactor: {
    description: "The weight of the newest ratio.",
    fallback: 0.3,
    range: "a fraction in (0, 1]",
    allowed: (value) => value > 0 && value <= 1,
    schema: { exclusiveMinimum: 0, maximum: 1 },
    percent: true,
  },
  maxScaleUp: {
    description: "The largest growth in one step.",
    fallback: 0.5,
    range: "a fraction of at least 0",
    allowed: (value) => value >= 0,
    schema: { minimum: 0, exclusiveMaximum: 10 },
    percent: true,
  },
  maxScaleDown: {
    description: "The largest reduction in one step.",
    fallback: 0.25,
    range: "a fraction in [0, 1]",
    allowed: (value) => value >= 0 && value <= 1,
    schema: { minimum: 0, maximum: 1 },
    percent: true,
  },
  tolerance: {
    description: "How far the averaged ratio may be from 1 before anything is done.",
    fallback: 0.1,
    range: "a fraction in [0, 1]",
    allowed: (value) => value >= 0 && value <= 1,
    schema: { minimum: 0, maximum: 1 },
    percent: true,
  },
  ratioFloor: {
    description: "The smallest ratio used. At 1 it never scales down.",
    fallback: 0,
    range: "a number of at least 0",
    allowed: (value) => value >= 0,
    schema: { minimum: 0 },
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
