package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"capped-smooth-ratio-go/scaling"
)

// cappedSmoothRatio proposes by the largest ratio, exponentially smoothed, in steps of limited size.
type cappedSmoothRatio struct {
	config  Config
	metrics []scaling.Metric
	// average has no meaning before there was a ratio.
	average    float64
	hasAverage bool
}

func (algorithm *cappedSmoothRatio) Evaluate(look *scaling.Observation) (scaling.Answer, error) {
	if len(look.Values) != len(algorithm.metrics) {
		return scaling.Answer{}, scaling.BadObservation(
			fmt.Sprintf("%d readings for %d metrics", len(look.Values), len(algorithm.metrics)))
	}
	config, current := &algorithm.config, float64(look.Current)
	largest, complete := math.Inf(-1), true
	for metric := range algorithm.metrics {
		target := algorithm.metrics[metric].Target
		amount := target.Amount
		if target.Kind == scaling.AverageValue {
			amount *= current
		}
		ratio := look.Values[metric] / amount
		isValue := metric >= len(look.States) || look.States[metric] == 0
		if !isValue || math.IsInf(ratio, 0) || math.IsNaN(ratio) {
			complete = false
		} else if ratio > largest {
			largest = ratio
		}
	}
	if math.IsInf(largest, -1) || look.Current == 0 {
		answer := scaling.Answer{Proposal: scaling.Hold()}
		if look.Explain {
			answer.Reason = "nothing to go by"
		}
		return answer, nil
	}

	newest := largest
	if largest < config.RatioFloor {
		newest = config.RatioFloor
	}
	average := newest
	if algorithm.hasAverage {
		// The conversions keep each product a double of its own: Go may fuse a product and a sum otherwise.
		average = float64(config.SmoothingFactor*newest) + float64((1-config.SmoothingFactor)*algorithm.average)
	}
	algorithm.average, algorithm.hasAverage = average, true

	uncapped := current * average
	tolerated := 1-config.Tolerance <= average && average <= 1+config.Tolerance
	var need float64
	switch {
	case tolerated, !complete && uncapped < current:
		// What isn't measured may be what needs them.
		need = current
	case uncapped > current:
		need = min(uncapped, current+float64(current*config.MaxScaleUp))
	default:
		need = max(uncapped, current-float64(current*config.MaxScaleDown))
	}
	need = max(need, 0)
	if math.IsInf(need, 0) {
		return scaling.Answer{}, scaling.Refused("a need must be finite, got infinity")
	}
	answer := scaling.Answer{Proposal: scaling.Need(need)}
	if look.Explain {
		answer.Reason = fmt.Sprintf("ratio %.3f, averaged %.3f, asks for %.2f", newest, average, uncapped)
	}
	return answer, nil
}

// The state: a version, then 0 for no average, or 2 and the average, little-endian.
func (algorithm *cappedSmoothRatio) AppendState(state []byte) []byte {
	if !algorithm.hasAverage {
		return append(state, 1, 0)
	}
	return binary.LittleEndian.AppendUint64(append(state, 1, 2), math.Float64bits(algorithm.average))
}

func (algorithm *cappedSmoothRatio) Restore(state []byte) error {
	if len(state) > 0 && state[0] != 1 {
		return fmt.Errorf("the state has version %d; this one reads version 1", state[0])
	}
	if len(state) < 2 {
		return errTooShort
	}
	var average float64
	whole := 2
	switch state[1] {
	case 0:
	case 2:
		whole = 10
		if len(state) < whole {
			return errTooShort
		}
		average = math.Float64frombits(binary.LittleEndian.Uint64(state[2:]))
		if math.IsInf(average, 0) || math.IsNaN(average) {
			return errors.New("the state is damaged: a number is not finite")
		}
	default:
		return errors.New("the state is damaged: the average is no ratio")
	}
	if len(state) > whole {
		return fmt.Errorf("%d bytes of state are left over", len(state)-whole)
	}
	algorithm.average, algorithm.hasAverage = average, whole == 10
	return nil
}

var errTooShort = errors.New("the state ends too early")
