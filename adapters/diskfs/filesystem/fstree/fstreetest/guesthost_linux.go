package fstreetest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qedfs/qedfs/adapters/diskfs/internal/machine"
	"github.com/qedfs/qedfs/backend/backendtest/oracle"
)

const guestOutput = 256 << 20 // bytes of the disk for manifests; sparse

// RunInGuest is [Run] for filesystems that the kernel at hand does not have:
// qemu boots another one, all configurations are filled and described in one
// run of it. The modules are those that the configurations need, without what they depend
// on. TestMain of the package has to call [Main].
// Package machine says where the kernel is. Large configurations beside small
// ones are for long runs: the guest's processor is not a real one.
func RunInGuest(t *testing.T, modules []string, configs []Config, open Opener) {
	configs = affordable(configs)
	if inGuest() {
		guestSide(t, configs)
		return
	}
	for _, c := range configs {
		if !c.Large {
			t.Run(c.Name+"/committed", func(t *testing.T) {
				image, records := Committed(t, c.Name)
				compareOn(t, bytes.NewReader(image), int64(len(image)), records, c, open)
			})
		}
	}
	t.Run("guest", func(t *testing.T) {
		if testing.Short() { // see machine.Boot; what comes before it takes long as well
			t.Skip("booting a kernel takes half a minute")
		}
		images, manifests := hostSide(t, modules, configs)
		for i, c := range configs {
			t.Run(c.Name, func(t *testing.T) {
				f, err := os.Open(images[i])
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				compareOn(t, f, c.Size, manifests[i], c, open)
				if os.Getenv("QEDFS_UPDATE_TESTDATA") == "1" && !c.Large && !t.Failed() {
					commit(t, c.Name, f, manifests[i])
				}
			})
		}
	})
}

// affordable leaves out what is for long runs. The guest asks it too.
func affordable(configs []Config) []Config {
	small := slices.DeleteFunc(slices.Clone(configs), func(c Config) bool { return c.Large })
	if oracle.Long() || len(small) == 0 {
		return configs
	}
	return small
}

// hostSide makes the disks and runs the guest on them.
func hostSide(t *testing.T, modules []string, configs []Config) (images []string, manifests [][]Record) {
	t.Helper()
	root := guestRoot(t, modules)
	tmp := t.TempDir()
	for _, c := range configs {
		image := filepath.Join(tmp, c.Name)
		if err := makeDevice(image, c.Size); err != nil {
			t.Fatal(err)
		}
		source := ""
		if c.Populated {
			source = t.TempDir()
			c.fill(t, source)
		}
		mkfs(t, c, image, source)
		if c.Craft != nil {
			c.Craft(t, image)
		}
		images = append(images, image)
	}
	output := filepath.Join(tmp, "output")
	if err := os.WriteFile(output, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(output, guestOutput); err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	environment := guestTest + "=" + name + " CI_LONG=" + os.Getenv("CI_LONG")
	log := machine.Boot(t, root, environment, append(slices.Clone(images), output)...)
	var err error
	if manifests, err = readOutput(output); err != nil || len(manifests) != len(configs) {
		t.Fatalf("the guest left no manifests: %v\n%s", err, log)
	}
	return images, manifests
}

func readOutput(name string) (manifests [][]Record, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var n uint64
	if err := binary.Read(f, binary.BigEndian, &n); err != nil {
		return nil, err
	}
	if n == 0 || n > guestOutput {
		return nil, fmt.Errorf("length %d", n)
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, 8); err != nil {
		return nil, err
	}
	return manifests, json.Unmarshal(b, &manifests)
}

// guestRoot packs the guest's root: the test binary, built anew because it has
// to need no shared library, and the modules.
func guestRoot(t *testing.T, modules []string) *machine.Root {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "init")
	build := exec.Command(oracle.Tool(t, "go"), "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	oracle.Output(t, build)
	code, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	root := new(machine.Root)
	for _, dir := range []string{"dev", "modules"} {
		root.Add(dir, 0o040755, nil)
	}
	root.Add("init", 0o100755, code)
	root.AddModules(t, append([]string{"virtio_pci", "virtio_blk"}, modules...)...)
	return root
}
