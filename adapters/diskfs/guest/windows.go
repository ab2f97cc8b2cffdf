package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/qedfs/qedfs/adapters/diskfs/filesystem/fstree"
	"github.com/qedfs/qedfs/adapters/diskfs/guest/internal/regf"
	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"
)

// Drive is a letter that Windows gives a volume.
type Drive struct {
	Letter string `json:"letter"`           // "C"
	Volume string `json:"volume,omitempty"` // "" where it is not of this disk, as that of a CD
}

// windowsRoots are the directories that the system may be installed in.
var windowsRoots = [...]string{"Windows", "WINNT"}

// windows reads what a Windows is from its registry.
func (in *inspection) windows(volumes []imagefs.Volume) {
	in.info.Distro = "windows"
	for _, root := range windowsRoots {
		config := root + "/System32/config"
		if !in.exists(config) {
			continue
		}
		in.info.Arch = in.peArchitecture(root + "/System32/cmd.exe")
		in.hive(config+"/SAM", in.windowsUsers)
		in.hive(config+"/SOFTWARE", func(k *regf.Key) {
			in.windowsVersion(k)
			in.programs(k)
			in.profiles(k)
		})
		in.hive(config+"/SYSTEM", func(k *regf.Key) {
			in.windowsHost(k)
			in.drives(k, volumes)
		})
		return
	}
}

// hive opens a hive for one reading of it.
func (in *inspection) hive(name string, read func(root *regf.Key)) {
	f, section, err := openSection(in.root, name)
	if err != nil {
		in.failed(err)
		return
	}
	defer f.Close()
	h, err := regf.Open(section, section.Size())
	var root *regf.Key
	if h != nil {
		var rootErr error
		root, rootErr = h.Root()
		err = errors.Join(err, rootErr)
	}
	if err != nil {
		in.failed(fmt.Errorf("%s: %w", name, err))
	}
	if root != nil {
		in.reading = name
		read(root)
	}
}

// hiveFailed remembers why a part of the hive that is read could not be.
func (in *inspection) hiveFailed(err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		in.failed(fmt.Errorf("%s: %w", in.reading, err))
	}
}

// key returns the key of a path with backslashes; nil where there is none.
func (in *inspection) key(k *regf.Key, name string) *regf.Key {
	sub, err := k.Key(strings.Split(name, `\`)...)
	in.hiveFailed(err)
	return sub
}

func (in *inspection) value(k *regf.Key, name string) *regf.Value {
	if k == nil {
		return &regf.Value{}
	}
	v, err := k.Value(name)
	in.hiveFailed(err)
	if v == nil {
		return &regf.Value{}
	}
	return v
}

// windowsVersion reads what the system calls itself.
func (in *inspection) windowsVersion(software *regf.Key) {
	k := in.key(software, `Microsoft\Windows NT\CurrentVersion`)
	text := func(name string) string { return in.value(k, name).Text() }
	in.info.Product, in.info.Variant = text("ProductName"), text("InstallationType")
	in.info.Version = text("CurrentVersion")
	major, ok := in.value(k, "CurrentMajorVersionNumber").Number()
	minor, _ := in.value(k, "CurrentMinorVersionNumber").Number()
	if ok {
		in.info.Version = fmt.Sprintf("%d.%d", major, minor)
	}
	in.info.Build = text("CurrentBuildNumber")
	// Windows 11 has its product still as 10 in the registry.
	if build, err := strconv.Atoi(in.info.Build); err == nil && build >= 22000 && in.info.Variant == "Client" {
		in.info.Product = strings.Replace(in.info.Product, "Windows 10", "Windows 11", 1)
	}
	if revision, ok := in.value(k, "UBR").Number(); ok {
		in.info.Build += fmt.Sprintf(".%d", revision)
	}
}

// programs lists what can be uninstalled: for all users, and of 32 bits beside
// a system of 64.
func (in *inspection) programs(software *regf.Key) {
	for _, name := range [...]string{
		`Microsoft\Windows\CurrentVersion\Uninstall`, `Wow6432Node\Microsoft\Windows\CurrentVersion\Uninstall`,
	} {
		list := in.key(software, name)
		if list == nil {
			continue
		}
		for k, err := range list.Keys() {
			if err != nil {
				in.hiveFailed(err)
				continue
			}
			p := Package{
				Name: in.value(k, "DisplayName").Text(), Version: in.value(k, "DisplayVersion").Text(),
				Publisher: in.value(k, "Publisher").Text(),
			}
			if p.Name == "" {
				continue // an update, or a part of something else
			}
			if len(in.info.Packages) == maxList {
				in.hiveFailed(fmt.Errorf("more than %d programs: %w", maxList, fstree.ErrTooLarge))
				return
			}
			in.info.Packages = append(in.info.Packages, p)
		}
	}
}

// windowsHost reads what is set for the machine.
func (in *inspection) windowsHost(system *regf.Key) {
	current := uint32(1)
	if n, ok := in.value(in.key(system, "Select"), "Current").Number(); ok {
		current = n
	}
	set := in.key(system, fmt.Sprintf("ControlSet%03d", current))
	if set == nil {
		return
	}
	in.info.Hostname = in.value(in.key(set, `Services\Tcpip\Parameters`), "Hostname").Text()
	if in.info.Hostname == "" {
		in.info.Hostname = in.value(in.key(set, `Control\ComputerName\ComputerName`), "ComputerName").Text()
	}
	zone := in.key(set, `Control\TimeZoneInformation`)
	in.info.TimeZone = in.value(zone, "TimeZoneKeyName").Text()
	if in.info.TimeZone == "" { // before Windows Vista
		in.info.TimeZone = in.value(zone, "StandardName").Text()
	}
	if in.info.Arch == "" {
		environment := in.key(set, `Control\Session Manager\Environment`)
		in.info.Arch = map[string]string{"AMD64": "x86_64", "x86": "i386", "ARM64": "aarch64"}[in.value(environment, "PROCESSOR_ARCHITECTURE").Text()]
	}
}

// drives reads which letters volumes have.
func (in *inspection) drives(system *regf.Key, volumes []imagefs.Volume) {
	k := in.key(system, "MountedDevices")
	if k == nil {
		return
	}
	for v, err := range k.Values() {
		if err != nil {
			in.hiveFailed(err)
			continue
		}
		letter, ok := strings.CutPrefix(v.Name, `\DosDevices\`)
		if !ok || len(letter) != 2 || letter[1] != ':' {
			continue
		}
		d := Drive{Letter: letter[:1]}
		for i := range volumes {
			if isMounted(v.Data, &volumes[i]) {
				d.Volume = volumes[i].Name
				break
			}
		}
		in.info.Drives = append(in.info.Drives, d)
	}
}

// isMounted reports whether a value of MountedDevices is of a partition. It has
// the identifier of the disk and where the partition begins, both of an MBR, or
// the GUID of one of a GPT.
func isMounted(data []byte, v *imagefs.Volume) bool {
	if v.Partition == nil {
		return false
	}
	if guid, ok := strings.CutPrefix(string(data), "DMIO:ID:"); ok && len(guid) == 16 {
		return strings.EqualFold(v.Partition.UUID, guidText([]byte(guid)))
	}
	if len(data) != 12 {
		return false
	}
	disk := fmt.Sprintf("%08x-", binary.LittleEndian.Uint32(data))
	return strings.HasPrefix(strings.ToLower(v.Partition.UUID), disk) &&
		binary.LittleEndian.Uint64(data[4:]) == uint64(v.Offset)
}

// guidText is a GUID as it is written: the first three numbers are stored
// little-endian.
func guidText(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

// windowsUsers lists the accounts of the machine. The number of an account is
// the type of a value without bytes.
func (in *inspection) windowsUsers(sam *regf.Key) {
	names := in.key(sam, `SAM\Domains\Account\Users\Names`)
	if names == nil {
		return
	}
	for k, err := range names.Keys() {
		if err != nil {
			in.hiveFailed(err)
			continue
		}
		if len(in.info.Users) == maxList {
			in.hiveFailed(fmt.Errorf("more than %d users: %w", maxList, fstree.ErrTooLarge))
			return
		}
		in.info.Users = append(in.info.Users, User{Name: k.Name, UID: in.value(k, "").Type})
	}
}

// profiles adds the homes of users, and those who have one and are no account
// of the machine.
func (in *inspection) profiles(software *regf.Key) {
	list := in.key(software, `Microsoft\Windows NT\CurrentVersion\ProfileList`)
	if list == nil {
		return
	}
	for k, err := range list.Keys() {
		if err != nil {
			in.hiveFailed(err)
			continue
		}
		number, isUser := strings.CutPrefix(k.Name, "S-1-5-21-")
		uid, err := strconv.ParseUint(number[strings.LastIndexByte(number, '-')+1:], 10, 32)
		home := windowsPath(in.value(k, "ProfileImagePath").Text())
		if !isUser || err != nil || home == "" {
			continue // of a service
		}
		in.addHome(User{Name: path.Base(home), UID: uint32(uid), Home: home})
	}
}

func (in *inspection) addHome(user User) {
	for i := range in.info.Users {
		if u := &in.info.Users[i]; u.UID == user.UID && u.Home == "" {
			u.Home = user.Home
			return
		}
	}
	if len(in.info.Users) < maxList {
		in.info.Users = append(in.info.Users, user)
	}
}

// windowsPath is a path of Windows in the system's volume: C:\Users\name or
// %SystemDrive%\Users\name.
func windowsPath(name string) string {
	_, rest, ok := strings.Cut(name, `:\`)
	if !ok {
		if _, rest, ok = strings.Cut(name, `%\`); !ok {
			return ""
		}
	}
	return path.Clean("/" + strings.ReplaceAll(rest, `\`, "/"))
}

// peArchitecture reads the machine of a program (Microsoft's "PE Format").
func (in *inspection) peArchitecture(name string) string {
	f, section, err := openSection(in.root, name)
	if err != nil {
		in.failed(err)
		return ""
	}
	defer f.Close()
	b := make([]byte, 64)
	if _, err := section.ReadAt(b, 0); err == nil && string(b[:2]) == "MZ" {
		_, err = section.ReadAt(b[:6], int64(binary.LittleEndian.Uint32(b[60:])))
		if err == nil && string(b[:4]) == "PE\x00\x00" {
			return peMachine(binary.LittleEndian.Uint16(b[4:]))
		}
		if err != nil && !errors.Is(err, io.EOF) {
			in.failed(fmt.Errorf("%s: %w", name, err))
		}
	} else if err != nil && !errors.Is(err, io.EOF) {
		in.failed(fmt.Errorf("%s: %w", name, err))
	}
	return ""
}

func peMachine(machine uint16) string {
	switch machine {
	case 0x14c:
		return "i386"
	case 0x8664:
		return "x86_64"
	case 0xaa64:
		return "aarch64"
	case 0x1c4:
		return "arm"
	case 0x200:
		return "ia64"
	}
	return fmt.Sprintf("pe machine %#x", machine)
}
