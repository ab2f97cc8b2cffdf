// Package vipertest proves that viper reads its configuration out of an image.
// It is a module of its own, so that the library does not require viper.
package vipertest

import (
	"testing"

	"github.com/spf13/viper"

	"github.com/qedfs/qedfs/adapters/diskfs/imagefs"

	qedafero "github.com/qedfs/qedfs/adapters/afero"
)

func TestViperReadsAConfigurationOutOfAnImage(t *testing.T) {
	d, err := imagefs.Open("../../../testdata/gpt.qed", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	v := viper.New()
	v.SetFs(qedafero.New(d.FS()))
	v.AddConfigPath("/p2/etc/app")
	v.SetConfigName("config")
	if err := v.ReadInConfig(); err != nil {
		t.Fatal(err)
	}
	if port := v.GetInt("server.port"); port != 8080 {
		t.Errorf("port %d", port)
	}
}
