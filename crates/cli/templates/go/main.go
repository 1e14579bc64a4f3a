// The algorithm as a component.
package main

import "{{name}}/scaling"

func init() {
	scaling.Export(scaling.Plugin{
		Description: scaling.Description{
			Name:          "{{name}}",
			Version:       "0.1.0",
			Summary:       "the largest ratio of a metric to its target, with headroom on the way down",
			ConfigSchema:  configSchema(),
			Deterministic: true,
		},
		Create: func(config string, metrics []scaling.Metric) (scaling.Instance, error) {
			read, err := readConfig(config)
			if err != nil {
				return nil, err
			}
			return &algorithm{config: *read, metrics: metrics}, nil
		},
	})
}

// A component has no main: the host calls what it exports.
func main() {}
