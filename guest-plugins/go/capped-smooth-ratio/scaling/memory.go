//go:build wasip1

package scaling

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"unsafe"
)

// Memory for the arguments of one call. A few dozen metrics fit; what doesn't comes from Go's heap.
//
// The host must not be called while it asks for memory, and Go's collector asks for the time: so the collector is off,
// and runs only at the end of a call.
var (
	arguments [8 << 10]uint64
	used      uintptr
	// What didn't fit, until the call ends.
	large [][]uint64
)

// Memory for the WASI adapter's own stack and state, which it asks for while Go's runtime is only starting, so that it
// can't come from there.
var (
	adapterMemory [48 << 10]uint64
	adapterUsed   uintptr
)

const wordSize = unsafe.Sizeof(arguments[0])

//go:wasmexport cabi_realloc
func allocate(_ unsafe.Pointer, _, align, size uint32) unsafe.Pointer {
	start := roundUp(used, uintptr(align))
	if start+uintptr(size) <= unsafe.Sizeof(arguments) {
		used = start + uintptr(size)
		return unsafe.Add(unsafe.Pointer(&arguments), start)
	}
	words := make([]uint64, (uintptr(size)+wordSize-1)/wordSize)
	large = append(large, words)
	return unsafe.Pointer(unsafe.SliceData(words))
}

//go:wasmexport cabi_realloc_adapter
func allocateForAdapter(_ unsafe.Pointer, _, align, size uint32) unsafe.Pointer {
	start := roundUp(adapterUsed, uintptr(align))
	adapterUsed = start + uintptr(size)
	if adapterUsed > unsafe.Sizeof(adapterMemory) {
		return nil
	}
	return unsafe.Add(unsafe.Pointer(&adapterMemory), start)
}

func roundUp(size, align uintptr) uintptr {
	return (size + align - 1) &^ (align - 1)
}

func init() {
	debug.SetGCPercent(-1)
}

const (
	// How many calls may pass before the heap is looked at: looking takes longer than a call.
	callsUnseen = 1 << 10
	// How much may be on the heap before it is collected.
	heapUncollected = 8 << 20
)

var (
	calls    int
	heapSize = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	// Where the heap will be collected next.
	heapLimit uint64 = heapUncollected
)

// endOfCall forgets the arguments, and now and then collects what calls have left behind.
func endOfCall() {
	used = 0
	calls++
	if len(large) == 0 && calls < callsUnseen {
		return
	}
	calls, large = 0, nil
	if metrics.Read(heapSize); heapSize[0].Value.Uint64() < heapLimit {
		return
	}
	runtime.GC()
	metrics.Read(heapSize)
	heapLimit = heapSize[0].Value.Uint64() + heapUncollected
}
