//go:build wasip1

package scaling

import (
	"bytes"
	"errors"
	"unsafe"
)

// What the contract exports, by the canonical ABI: an argument that is a list or a string comes as its address and
// length, in memory that the host asked cabi_realloc for. A result that doesn't fit into one number is written down,
// and its address returned; what it refers to is kept until the next call, when the host has long read it.

var plugin *Plugin

// Export makes the plugin what this component exports. Called once, from an init function.
func Export(exported Plugin) {
	if plugin != nil {
		panic("scaling.Export: called a second time")
	}
	plugin = &exported
}

// workload is an instance, and its state as the host has it.
type workload struct {
	instance    Instance
	known, next []byte
}

// The host knows a workload by its place here, which is free again once it was dropped.
var (
	workloads []*workload
	free      []int32
)

//go:wasmimport [export]setpoint:scaling/algorithm@0.2.0 [resource-new]instance
func newHandle(place int32) int32

func (workload *workload) place() int32 {
	if last := len(free) - 1; last >= 0 {
		place := free[last]
		free = free[:last]
		workloads[place] = workload
		return place
	}
	workloads = append(workloads, workload)
	return int32(len(workloads) - 1)
}

//go:wasmexport setpoint:scaling/algorithm@0.2.0#[dtor]instance
func dropInstance(place int32) {
	workloads[place] = nil
	free = append(free, place)
}

// changed takes the state, and says whether the host has another.
func (workload *workload) changed() bool {
	workload.next = workload.instance.AppendState(workload.next[:0])
	if bytes.Equal(workload.next, workload.known) {
		return false
	}
	workload.known, workload.next = workload.next, workload.known
	return true
}

// A string or list as the host reads it.
type list struct{ address, length uint32 }

func ofString(text string) list {
	return list{address(unsafe.Pointer(unsafe.StringData(text))), uint32(len(text))}
}

func ofBytes(bytes []byte) list {
	return list{address(unsafe.Pointer(unsafe.SliceData(bytes))), uint32(len(bytes))}
}

// text copies a string that the host wrote.
func (list list) text() string {
	return string(unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(nil), list.address)), list.length))
}

func address(pointer unsafe.Pointer) uint32 { return uint32(uintptr(pointer)) }

var described struct {
	name, version, summary, configSchema, metrics list
	deterministic                                 bool
}
var describedMetrics []struct{ name, meaning list }

//go:wasmexport setpoint:scaling/algorithm@0.2.0#describe
func describe() unsafe.Pointer {
	of := &plugin.Description
	described.name = ofString(of.Name)
	described.version = ofString(of.Version)
	described.summary = ofString(of.Summary)
	described.configSchema = ofString(of.ConfigSchema)
	described.deterministic = of.Deterministic
	describedMetrics = make([]struct{ name, meaning list }, len(of.Metrics))
	for i, metric := range of.Metrics {
		describedMetrics[i].name = ofString(metric.Name)
		describedMetrics[i].meaning = ofString(metric.Meaning)
	}
	described.metrics = list{address(unsafe.Pointer(unsafe.SliceData(describedMetrics))), uint32(len(describedMetrics))}
	return unsafe.Pointer(&described)
}

// A metric as the host writes it.
type writtenMetric struct {
	name   list
	kind   TargetKind
	amount float64
}

var creation struct {
	failed uint32
	// The handle, or the beginning of the error's path.
	handleOrPath uint32
	pathLength   uint32
	message      list
}

// The error that `creation` refers to.
var creationError *ConfigError

//go:wasmexport setpoint:scaling/algorithm@0.2.0#[static]instance.create
func create(config unsafe.Pointer, length uint32, metrics unsafe.Pointer, count uint32) unsafe.Pointer {
	defer endOfCall()
	owned := make([]Metric, count)
	for i, written := range unsafe.Slice((*writtenMetric)(metrics), count) {
		owned[i] = Metric{
			Name:   written.name.text(),
			Target: Target{Kind: written.kind, Amount: written.amount},
		}
	}
	instance, err := plugin.Create(string(unsafe.Slice((*byte)(config), length)), owned)
	if err == nil {
		creation.failed = 0
		creation.handleOrPath = uint32(newHandle((&workload{instance: instance}).place()))
		return unsafe.Pointer(&creation)
	}
	if !errors.As(err, &creationError) {
		creationError = &ConfigError{Message: err.Error()}
	}
	path := ofString(creationError.Path)
	creation.failed = 1
	creation.handleOrPath, creation.pathLength = path.address, path.length
	creation.message = ofString(creationError.Message)
	return unsafe.Pointer(&creation)
}

var answered struct {
	failed   uint64
	proposal struct {
		kind uint64
		need float64
	}
	reason   list
	hasState uint32
	state    list
}

// A failure, where an answer would be.
type writtenFailure struct {
	kind uint32
	why  list
}

var (
	look Observation
	// What `answered` refers to.
	answer Answer
	why    string
)

//go:wasmexport setpoint:scaling/algorithm@0.2.0#[method]instance.evaluate
func evaluate(
	place int32, nowMs int64, current, ready, least, most uint32, explain bool,
	values unsafe.Pointer, valueCount uint32, states unsafe.Pointer, stateCount uint32,
) unsafe.Pointer {
	defer endOfCall()
	workload := workloads[place]
	look = Observation{
		NowMs: nowMs, Current: current, Ready: ready, Min: least, Max: most, Explain: explain,
		Values: unsafe.Slice((*float64)(values), valueCount),
		States: unsafe.Slice((*uint8)(states), stateCount),
	}
	var err error
	answer, err = workload.instance.Evaluate(&look)
	if err != nil {
		failure := (*writtenFailure)(unsafe.Pointer(&answered.proposal))
		var bad BadObservation
		if errors.As(err, &bad) {
			failure.kind = 1
		} else {
			failure.kind = 0
		}
		why = err.Error()
		failure.why = ofString(why)
		answered.failed = 1
		return unsafe.Pointer(&answered)
	}
	answered.failed = 0
	answered.proposal.kind = uint64(answer.Proposal.kind)
	answered.proposal.need = answer.Proposal.need
	answered.reason = ofString(answer.Reason)
	answered.hasState = 0
	if workload.changed() {
		answered.hasState = 1
		answered.state = ofBytes(workload.known)
	}
	return unsafe.Pointer(&answered)
}

var taken list

//go:wasmexport setpoint:scaling/algorithm@0.2.0#[method]instance.snapshot
func snapshot(place int32) unsafe.Pointer {
	workload := workloads[place]
	workload.changed()
	taken = ofBytes(workload.known)
	return unsafe.Pointer(&taken)
}

var restored struct {
	failed uint32
	why    list
}

//go:wasmexport setpoint:scaling/algorithm@0.2.0#[method]instance.restore
func restore(place int32, state unsafe.Pointer, length uint32) unsafe.Pointer {
	defer endOfCall()
	workload := workloads[place]
	restored.failed = 0
	if err := workload.instance.Restore(unsafe.Slice((*byte)(state), length)); err != nil {
		why = err.Error()
		restored.failed, restored.why = 1, ofString(why)
		return unsafe.Pointer(&restored)
	}
	workload.changed()
	return unsafe.Pointer(&restored)
}
