package main

import (
	"fmt"
	"math"

	"{{name}}/scaling"
)

// most is the largest need that hosts take.
const most = 2147483647

// algorithm is one workload's: the largest ratio of a metric to its target says how many replicas are needed. Up at once;
// down only as far as leaves some headroom.
//
// What it must remember from look to look are more fields here, which AppendState and Restore carry over a restart.
type algorithm struct {
	config  Config
	metrics []scaling.Metric
}

func (algorithm *algorithm) Evaluate(look *scaling.Observation) (scaling.Answer, error) {
	if len(look.Values) != len(algorithm.metrics) {
		return scaling.Answer{}, scaling.BadObservation(
			fmt.Sprintf("%d readings for %d metrics", len(look.Values), len(algorithm.metrics)))
	}
	current := float64(look.Current)
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

	needed := min(max(current*largest, 0), most)
	withHeadroom := needed * (1 + algorithm.config.Headroom)
	var need float64
	switch {
	case needed > current:
		need = needed
	case complete && withHeadroom < current:
		need = withHeadroom
	default:
		// Between the two there is nothing to do, and what isn't measured may be what needs them.
		need = current
	}
	answer := scaling.Answer{Proposal: scaling.Need(need)}
	if look.Explain {
		answer.Reason = fmt.Sprintf("%.3f of the target: %.2f needed, %.2f with headroom", largest, needed, withHeadroom)
	}
	return answer, nil
}

// AppendState appends what it remembers: nothing. Begin with a version where that changes.
func (algorithm *algorithm) AppendState(state []byte) []byte {
	return state
}

func (algorithm *algorithm) Restore(state []byte) error {
	if len(state) > 0 {
		return fmt.Errorf("%d bytes of state are left over", len(state))
	}
	return nil
}
