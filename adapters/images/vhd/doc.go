// Package vhd reads vhd disk images.
package vhd
