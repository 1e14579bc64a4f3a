// Package scaling is the contract setpoint:scaling@0.2.0 in Go: what an algorithm is given, and what it answers.
//
// The contract itself, with units and ranges, is wit/deps/scaling/scaling.wit.
package scaling

// Plugin is what a component exports: who it is, and how its instances are made.
type Plugin struct {
	Description Description
	// Create makes one workload's instance. Readings will come in the order of metrics. An error is a
	// *ConfigError, or about the configuration as a whole.
	Create func(config string, metrics []Metric) (Instance, error)
}

// Description says who the algorithm is.
type Description struct {
	// Name is the name under which policies find it: lower case letters, digits and hyphens.
	Name    string
	Version string
	// Summary is what it does, in a sentence.
	Summary string
	// ConfigSchema is the JSON Schema of its configuration.
	ConfigSchema string
	// Metrics are those it can't do without.
	Metrics []MetricNeed
	// Deterministic: the same looks always give the same answers.
	Deterministic bool
}

// MetricNeed is a metric that a policy of this algorithm must have.
type MetricNeed struct {
	Name string
	// Meaning is what it measures and in which unit.
	Meaning string
}

// Instance is one workload's algorithm, with what it remembers.
type Instance interface {
	// Evaluate proposes. The same calls with the same arguments give the same answers. What look holds is valid
	// until it returns. An error is BadObservation, or else a refusal in its words.
	Evaluate(look *Observation) (Answer, error)
	// AppendState appends what it takes to go on in another instance.
	AppendState(state []byte) []byte
	// Restore puts back what AppendState gave. On an error nothing has changed.
	Restore(state []byte) error
}

// Metric is a metric of the policy.
type Metric struct {
	Name   string
	Target Target
}

// TargetKind is what a target is compared with.
type TargetKind uint8

const (
	// Value: the reading itself, whatever the number of replicas.
	Value TargetKind = iota
	// AverageValue: the reading divided by the current replicas.
	AverageValue
	// Utilization: a percentage of what the replicas can do.
	Utilization
)

// Target is what a reading should be. Its amount is finite and greater than 0.
type Target struct {
	Kind   TargetKind
	Amount float64
}

// Observation is one look at the workload.
type Observation struct {
	// NowMs is in milliseconds since an epoch that stays the same for a workload's life.
	NowMs int64
	// Current replicas are asked for, Ready ones serve, Min and Max are the policy's bounds.
	Current, Ready, Min, Max uint32
	// Explain: someone will read the reason. It must not change the proposal.
	Explain bool
	// Values has one reading a metric: finite, and 0 where there is none.
	Values []float64
	// States has one state a metric: 0 a value, 1 missing, 2 stale, 3 invalid. Empty when all are values.
	States []uint8
}

// Proposal is what the algorithm says: Need, Hold, NoOpinion or Suspend.
type Proposal struct {
	kind uint8
	need float64
}

// Need proposes so many replicas, exact and unrounded: finite, 0 to 2147483647.
func Need(replicas float64) Proposal { return Proposal{kind: 0, need: replicas} }

// Hold proposes to keep the current count; bounds still apply.
func Hold() Proposal { return Proposal{kind: 1} }

// NoOpinion says that there is not enough data to say anything.
func NoOpinion() Proposal { return Proposal{kind: 2} }

// Suspend leaves the workload as it is, outside its bounds too.
func Suspend() Proposal { return Proposal{kind: 3} }

// Answer is a proposal and, where someone reads it, the words for it.
type Answer struct {
	Proposal Proposal
	Reason   string
}

// BadObservation is the error of an algorithm to which the observation makes no sense.
type BadObservation string

func (why BadObservation) Error() string { return string(why) }

// Refused is the error of an algorithm that can't answer.
type Refused string

func (why Refused) Error() string { return string(why) }

// ConfigError says what is wrong with a configuration, and where.
type ConfigError struct {
	// Path is the field, from the configuration's root: weights.p99. Empty for the root.
	Path    string
	Message string
}

func (wrong *ConfigError) Error() string {
	if wrong.Path == "" {
		return wrong.Message
	}
	return wrong.Path + ": " + wrong.Message
}
