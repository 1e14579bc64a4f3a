// Configurations of numbers, read from JSON text. Nothing to change here.

const PERCENTAGE = /^\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*%$/;

/** What is wrong with a configuration, and at which field; the path is empty for the whole. */
export class ConfigError extends Error {
  constructor(path, message) {
    super(message);
    this.path = path;
  }
}

/**
 * The configuration that `text` holds, every field of it. Throws a ConfigError. A field of `fields` has a `description`, a
 * `fallback`, what is `allowed`, that `range` in words and as JSON `schema`, and whether it may be written in `percent`.
 */
export function readFields(text, fields) {
  const given = parse(text);
  const config = {};
  for (const [name, field] of Object.entries(fields)) {
    config[name] = field.fallback;
  }
  for (const [name, written] of Object.entries(given)) {
    if (!Object.hasOwn(fields, name)) {
      const known = Object.keys(fields).map((known) => `\`${known}\``).join(", ");
      throw new ConfigError(name, `unknown field \`${name}\`; known: ${known}`);
    }
    config[name] = readNumber(name, written, fields[name]);
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

function readNumber(name, written, { range, allowed, percent }) {
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

/** The JSON Schema of a configuration of `fields`, as text. */
export function schemaOf(fields) {
  const properties = {};
  for (const [name, field] of Object.entries(fields)) {
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
