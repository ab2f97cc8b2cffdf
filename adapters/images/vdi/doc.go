// Package vdi reads vdi disk images.
package vdi
