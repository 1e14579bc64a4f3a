package main

import "{{name}}/scaling"

// Config is the algorithm's configuration, every field of it checked.
type Config struct {
	// Headroom is what stays beyond the need on the way down, as a fraction of it.
	Headroom float64
}

// fields are the configuration's, which go into config.
func (config *Config) fields() []scaling.Field {
	return []scaling.Field{
		{
			Name: "headroom", Description: "What stays beyond the need on the way down, as a fraction of it.", Default: 0.2,
			Allowed: "a number in [0, 1]", Holds: func(value float64) bool { return value >= 0 && value <= 1 },
			Schema: map[string]any{"minimum": 0, "maximum": 1}, Into: &config.Headroom,
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
