// The configuration: what it may hold, and how it is read.

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

const PERCENTAGE = /^\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*%$/;

/** What is wrong with a configuration, and at which field; the path is empty for the whole. */
export class ConfigError extends Error {
  constructor(path, message) {
    super(message);
    this.path = path;
  }
}

/** The configuration that `text` holds, every field of it. Throws a ConfigError. */
export function readConfig(text) {
  const given = parse(text);
  const config = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    config[name] = field.fallback;
  }
  for (const [name, written] of Object.entries(given)) {
    if (!Object.hasOwn(FIELDS, name)) {
      const known = Object.keys(FIELDS).map((known) => `\`${known}\``).join(", ");
      throw new ConfigError(name, `unknown field \`${name}\`; known: ${known}`);
    }
    config[name] = readNumber(name, written);
  }
  return config;
}

function parse(text) {
  let given;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new ConfigError("", `the configuration is not JSON: ${error.message}`);
  }
  // null is an empty one.
  if (given === null) return {};
  if (typeof given !== "object" || Array.isArray(given)) {
    throw new ConfigError("", "the configuration must be an object");
  }
  return given;
}

function readNumber(name, written) {
  const { range, allowed, percent } = FIELDS[name];
  let value = written;
  if (typeof written === "string") {
    const percentage = PERCENTAGE.exec(written);
    if (percentage === null) throw notANumber(name);
    if (!percent) throw new ConfigError(name, `${name} must be ${range}, not a percentage`);
    value = Number(percentage[1]) / 100;
  } else if (typeof written !== "number") {
    throw notANumber(name);
  } else if (percent && written >= 10) {
    // 50 where 50% was meant would be a step of 5,000 %.
    throw new ConfigError(name, `${name} must be ${range}, got ${value}: for a percentage write "${value}%"`);
  }
  if (!Number.isFinite(value) || !allowed(value)) {
    throw new ConfigError(name, `${name} must be ${range}, got ${value}`);
  }
  return value;
}

function notANumber(name) {
  return new ConfigError(name, 'expected a number, or a percentage such as "25%"');
}

/** The JSON Schema of the configuration, as text. */
export function configSchema() {
  const properties = {};
  for (const [name, field] of Object.entries(FIELDS)) {
    const number = { type: "number", ...field.schema };
    const written = field.percent
      ? { anyOf: [number, { type: "string", pattern: "^[0-9]+([.][0-9]+)?%$" }] }
      : number;
    properties[name] = { description: field.description, ...written, default: field.fallback };
  }
  return JSON.stringify({
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Config",
    type: "object",
    properties,
    additionalProperties: false,
  });
}
