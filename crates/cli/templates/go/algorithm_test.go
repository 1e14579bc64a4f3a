package main

import (
	"errors"
	"testing"

	"{{name}}/scaling"
)

// evaluate says what is proposed at 10 replicas for a queue that should have 4 a replica.
func evaluate(t *testing.T, headroom, queue float64, states ...uint8) scaling.Proposal {
	t.Helper()
	metric := scaling.Metric{Name: "queue", Target: scaling.Target{Kind: scaling.AverageValue, Amount: 4}}
	algorithm := algorithm{config: Config{Headroom: headroom}, metrics: []scaling.Metric{metric}}
	answer, err := algorithm.Evaluate(&scaling.Observation{Current: 10, Values: []float64{queue}, States: states})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Proposal
}

func TestItGoesUpAtOnceAndDownWithHeadroom(t *testing.T) {
	for _, row := range []struct {
		name                  string
		headroom, queue, want float64
	}{
		{"at its target", 0.2, 40, 10},
		{"above it", 0.2, 60, 15},
		{"too little below it", 0.2, 36, 10},
		{"well below it", 0.2, 20, 6},
		{"well below it, with more headroom", 0.5, 20, 7.5},
		{"idle", 0.2, 0, 0},
	} {
		if got := evaluate(t, row.headroom, row.queue); got != scaling.Need(row.want) {
			t.Errorf("%s: got %v, want a need of %v", row.name, got, row.want)
		}
	}
}

func TestWithoutAReadingNothingChanges(t *testing.T) {
	const missing = 1
	if got := evaluate(t, 0.2, 0, missing); got != scaling.Hold() {
		t.Errorf("got %v, want a hold", got)
	}
}

func TestAHeadroomOutOfRangeIsRefused(t *testing.T) {
	if config, err := readConfig("null"); err != nil || config.Headroom != 0.2 {
		t.Errorf("the defaults: got %v, %v", config, err)
	}
	_, err := readConfig(`{"headroom": 3}`)
	var wrong *scaling.ConfigError
	if !errors.As(err, &wrong) || wrong.Path != "headroom" {
		t.Errorf("got %v, want an error about headroom", err)
	}
}

func TestForeignStateIsRefused(t *testing.T) {
	var algorithm algorithm
	if err := algorithm.Restore(algorithm.AppendState(nil)); err != nil {
		t.Error(err)
	}
	if algorithm.Restore([]byte{1}) == nil {
		t.Error("a byte of state is put back")
	}
}
