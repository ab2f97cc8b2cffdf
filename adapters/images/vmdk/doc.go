// Package vmdk reads vmdk disk images.
package vmdk
