// Package vhdx reads vhdx disk images.
package vhdx
