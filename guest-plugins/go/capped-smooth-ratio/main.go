// The algorithm as a component.
package main

import "capped-smooth-ratio-go/scaling"

func init() {
	scaling.Export(scaling.Plugin{
		Description: scaling.Description{
			Name:          "capped-smooth-ratio-go",
			Version:       "0.1.0",
			Summary:       "the largest ratio, exponentially smoothed, in steps of limited size",
			ConfigSchema:  configSchema(),
			Deterministic: true,
		},
		Create: func(config string, metrics []scaling.Metric) (scaling.Instance, error) {
			read, err := readConfig(config)
			if err != nil {
				return nil, err
			}
			return &cappedSmoothRatio{config: *read, metrics: metrics}, nil
		},
	})
}

// A component has no main: the host calls what it exports.
func main() {}
