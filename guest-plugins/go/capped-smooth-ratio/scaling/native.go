//go:build !wasip1

package scaling

// Export does nothing where there is no component: in an algorithm's own tests, which call it as what it is.
func Export(Plugin) {}
