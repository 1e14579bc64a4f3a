package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"

	"capped-smooth-ratio-go/scaling"
)

// Config is the algorithm's configuration, every field of it checked.
type Config struct {
	// SmoothingFactor is the weight of the newest ratio.
	SmoothingFactor float64
	// MaxScaleUp is the largest growth in one step, as a fraction of the current count.
	MaxScaleUp float64
	// MaxScaleDown is the largest reduction in one step, as a fraction of the current count.
	MaxScaleDown float64
	// Tolerance is how far the averaged ratio may be from 1 before anything is done.
	Tolerance float64
	// RatioFloor is the smallest ratio used. At 1 it never scales down.
	RatioFloor float64
}

// field is a field that holds a number.
type field struct {
	name        string
	description string
	fallback    float64
	allowed     string
	holds       func(float64) bool
	schema      map[string]any
	// percent: it may be written as 25%.
	percent bool
	of      func(*Config) *float64
}

func inUnit(value float64) bool      { return value >= 0 && value <= 1 }
func notNegative(value float64) bool { return value >= 0 }

var fields = []field{
	{
		"smoothingFactor", "The weight of the newest ratio.", 0.3,
		"a fraction in (0, 1]", func(value float64) bool { return value > 0 && value <= 1 },
		map[string]any{"exclusiveMinimum": 0, "maximum": 1}, true,
		func(config *Config) *float64 { return &config.SmoothingFactor },
	},
	{
		"maxScaleUp", "The largest growth in one step.", 0.5,
		"a fraction of at least 0", notNegative,
		map[string]any{"minimum": 0, "exclusiveMaximum": 10}, true,
		func(config *Config) *float64 { return &config.MaxScaleUp },
	},
	{
		"maxScaleDown", "The largest reduction in one step.", 0.25,
		"a fraction in [0, 1]", inUnit,
		map[string]any{"minimum": 0, "maximum": 1}, true,
		func(config *Config) *float64 { return &config.MaxScaleDown },
	},
	{
		"tolerance", "How far the averaged ratio may be from 1 before anything is done.", 0.1,
		"a fraction in [0, 1]", inUnit,
		map[string]any{"minimum": 0, "maximum": 1}, true,
		func(config *Config) *float64 { return &config.Tolerance },
	},
	{
		"ratioFloor", "The smallest ratio used. At 1 it never scales down.", 0,
		"a number of at least 0", notNegative,
		map[string]any{"minimum": 0}, false,
		func(config *Config) *float64 { return &config.RatioFloor },
	},
}

var percentage = regexp.MustCompile(`^\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*%$`)

// readConfig reads the configuration from JSON text. Its errors are *scaling.ConfigError.
func readConfig(text string) (*Config, error) {
	var given map[string]json.RawMessage
	// null is an empty one.
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		var notAnObject *json.UnmarshalTypeError
		if errors.As(err, &notAnObject) {
			return nil, &scaling.ConfigError{Message: "the configuration must be an object"}
		}
		return nil, &scaling.ConfigError{Message: "the configuration is not JSON: " + err.Error()}
	}
	config := new(Config)
	known := ""
	for i, field := range fields {
		if i > 0 {
			known += ", "
		}
		known += "`" + field.name + "`"
		value := field.fallback
		if written, ok := given[field.name]; ok {
			read, err := field.read(written)
			if err != nil {
				return nil, &scaling.ConfigError{Path: field.name, Message: err.Error()}
			}
			value = read
			delete(given, field.name)
		}
		*field.of(config) = value
	}
	for name := range given {
		return nil, &scaling.ConfigError{
			Path:    name,
			Message: fmt.Sprintf("unknown field `%s`; known: %s", name, known),
		}
	}
	return config, nil
}

func (field *field) read(written json.RawMessage) (float64, error) {
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
		if !field.percent {
			return 0, fmt.Errorf("%s must be %s, not a percentage", field.name, field.allowed)
		}
		hundredths, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			return 0, errNotANumber
		}
		value = hundredths / 100
	case json.Unmarshal(written, &value) != nil:
		return 0, errNotANumber
	// 50 where 50% was meant would be a step of 5,000 %.
	case field.percent && value >= 10:
		return 0, fmt.Errorf("%s must be %s, got %v: for a percentage write \"%v%%\"",
			field.name, field.allowed, value, value)
	}
	if math.IsInf(value, 0) || !field.holds(value) {
		return 0, fmt.Errorf("%s must be %s, got %v", field.name, field.allowed, value)
	}
	return value, nil
}

var errNotANumber = errors.New("expected a number, or a percentage such as \"25%\"")

// configSchema is the JSON Schema of the configuration.
func configSchema() string {
	properties := make(map[string]any)
	for _, field := range fields {
		number := map[string]any{"type": "number"}
		for keyword, value := range field.schema {
			number[keyword] = value
		}
		property := number
		if field.percent {
			text := map[string]any{"type": "string", "pattern": "^[0-9]+([.][0-9]+)?%$"}
			property = map[string]any{"anyOf": []any{number, text}}
		}
		property["description"] = field.description
		property["default"] = field.fallback
		properties[field.name] = property
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
