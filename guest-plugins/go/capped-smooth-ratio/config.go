package main

import "capped-smooth-ratio-go/scaling"

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

func inUnit(value float64) bool      { return value >= 0 && value <= 1 }
func notNegative(value float64) bool { return value >= 0 }

// fields are the configuration's, which go into config.
func (config *Config) fields() []scaling.Field {
	return []scaling.Field{
		{
			Name: "smoothingFactor", Description: "The weight of the newest ratio.", Default: 0.3,
			Allowed: "a fraction in (0, 1]", Holds: func(value float64) bool { return value > 0 && value <= 1 },
			Schema: map[string]any{"exclusiveMinimum": 0, "maximum": 1}, Percent: true, Into: &config.SmoothingFactor,
		},
		{
			Name: "maxScaleUp", Description: "The largest growth in one step.", Default: 0.5,
			Allowed: "a fraction of at least 0", Holds: notNegative,
			Schema: map[string]any{"minimum": 0, "exclusiveMaximum": 10}, Percent: true, Into: &config.MaxScaleUp,
		},
		{
			Name: "maxScaleDown", Description: "The largest reduction in one step.", Default: 0.25,
			Allowed: "a fraction in [0, 1]", Holds: inUnit,
			Schema: map[string]any{"minimum": 0, "maximum": 1}, Percent: true, Into: &config.MaxScaleDown,
		},
		{
			Name: "tolerance", Description: "How far the averaged ratio may be from 1 before anything is done.", Default: 0.1,
			Allowed: "a fraction in [0, 1]", Holds: inUnit,
			Schema: map[string]any{"minimum": 0, "maximum": 1}, Percent: true, Into: &config.Tolerance,
		},
		{
			Name: "ratioFloor", Description: "The smallest ratio used. At 1 it never scales down.", Default: 0,
			Allowed: "a number of at least 0", Holds: notNegative,
			Schema: map[string]any{"minimum": 0}, Into: &config.RatioFloor,
		},
	}
}

// readConfig reads the configuration from JSON text. Its errors are *scaling.ConfigError.
func readConfig(text string) (*Config, error) {
	config := new(Config)
	if err := scaling.ReadConfig(text, config.fields()); err != nil {
		return nil, err
	}
	return config, nil
}

// configSchema is the JSON Schema of the configuration.
func configSchema() string {
	return scaling.ConfigSchema(new(Config).fields())
}
