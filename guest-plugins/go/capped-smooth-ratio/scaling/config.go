package scaling

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// Field is a field of a configuration that holds a number.
type Field struct {
	Name        string
	Description string
	Default     float64
	// Allowed is its range in words, Holds whether a number is within it, and Schema the same as JSON Schema.
	Allowed string
	Holds   func(float64) bool
	Schema  map[string]any
	// Percent: it may be written as 25%.
	Percent bool
	// Into is where it goes.
	Into *float64
}

var percentage = regexp.MustCompile(`^\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*%$`)

// ReadConfig reads fields from JSON text. Its errors are *ConfigError.
func ReadConfig(text string, fields []Field) error {
	var given map[string]json.RawMessage
	// null is an empty one.
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		var notAnObject *json.UnmarshalTypeError
		if errors.As(err, &notAnObject) {
			return &ConfigError{Message: "the configuration must be an object"}
		}
		return &ConfigError{Message: "the configuration is not JSON: " + err.Error()}
	}
	known := ""
	for i, field := range fields {
		if i > 0 {
			known += ", "
		}
		known += "`" + field.Name + "`"
		value := field.Default
		if written, ok := given[field.Name]; ok {
			read, err := field.read(written)
			if err != nil {
				return &ConfigError{Path: field.Name, Message: err.Error()}
			}
			value = read
			delete(given, field.Name)
		}
		*field.Into = value
	}
	for name := range given {
		return &ConfigError{
			Path:    name,
			Message: fmt.Sprintf("unknown field `%s`; known: %s", name, known),
		}
	}
	return nil
}

func (field *Field) read(written json.RawMessage) (float64, error) {
	var value float64
	var text string
	switch {
	case string(written) == "null":
		return 0, errNotANumber
	case json.Unmarshal(written, &text) == nil:
		match := percentage.FindStringSubmatch(text)
		if match == nil {
			return 0, errNotANumber
		}
		if !field.Percent {
			return 0, fmt.Errorf("%s must be %s, not a percentage", field.Name, field.Allowed)
		}
		hundredths, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			return 0, errNotANumber
		}
		value = hundredths / 100
	case json.Unmarshal(written, &value) != nil:
		return 0, errNotANumber
	// 50 where 50% was meant would be a step of 5,000 %.
	case field.Percent && value >= 10:
		return 0, fmt.Errorf("%s must be %s, got %v: for a percentage write \"%v%%\"",
			field.Name, field.Allowed, value, value)
	}
	if math.IsInf(value, 0) || !field.Holds(value) {
		return 0, fmt.Errorf("%s must be %s, got %v", field.Name, field.Allowed, value)
	}
	return value, nil
}

var errNotANumber = errors.New("expected a number, or a percentage such as \"25%\"")

// ConfigSchema is the JSON Schema of a configuration of fields.
func ConfigSchema(fields []Field) string {
	properties := make(map[string]any)
	for _, field := range fields {
		number := map[string]any{"type": "number"}
		for keyword, value := range field.Schema {
			number[keyword] = value
		}
		property := number
		if field.Percent {
			text := map[string]any{"type": "string", "pattern": "^[0-9]+([.][0-9]+)?%$"}
			property = map[string]any{"anyOf": []any{number, text}}
		}
		property["description"] = field.Description
		property["default"] = field.Default
		properties[field.Name] = property
	}
	schema, err := json.Marshal(map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                "Config",
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
	})
	if err != nil {
		panic(err)
	}
	return string(schema)
}
