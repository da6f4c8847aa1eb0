//go:build !profile

package main

// profile does nothing without the build tag of the same name.
func profile() (stop func()) { return func() {} }
