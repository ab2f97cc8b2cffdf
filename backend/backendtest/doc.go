// Package backendtest helps to test storages and what is built on them.
//
// Every kind of [backend.Reader] and [backend.Storage] passes its suite. A kind
// of your own runs it in its tests:
//
//	func TestStorage(t *testing.T) {
//		backendtest.TestStorage(t, func(t *testing.T) backend.Storage { return openMine(t) })
//	}
//
// Three storages stand in for real ones in tests of the code above: [Fault]
// fails chosen calls, [Crash] shows what a crash can leave, [Counter] counts
// calls and bytes.
package backendtest
