package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot/plotter"
)

func TestSidesRunInTurnAfterEachHasWarmedUp(t *testing.T) {
	var order strings.Builder
	turn := func(name string) side {
		return inProcess(name, func() error { order.WriteString(name); return nil })
	}
	b := &bench{runs: 2}
	results, err := b.inTurn([]side{turn("a"), turn("b")})
	if err != nil || order.String() != "ababab" || len(results[1].wall) != 2 {
		t.Errorf("order %s, %d times, %v", order.String(), len(results[1].wall), err)
	}
}

func TestAFailingSideEndsTheMeasurement(t *testing.T) {
	broken := errors.New("broken")
	_, err := (&bench{runs: 1}).inTurn([]side{inProcess("a", func() error { return broken })})
	if !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

func TestMedianIsTheMiddleOne(t *testing.T) {
	if m := median([]time.Duration{9, 1, 5}); m != 5 {
		t.Errorf("median is %d", m)
	}
}

func TestACurveIsWrittenAsNumbersAndAsAPicture(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("plots", 0o755); err != nil {
		t.Fatal(err)
	}
	c := curve{name: "c", title: "a title", x: "files", logX: true}
	if err := c.write(plotter.XYs{{X: 1, Y: 2}, {X: 10, Y: 20}}); err != nil {
		t.Fatal(err)
	}
	numbers, err := os.ReadFile(filepath.Join("plots", "c.csv"))
	if err != nil || !strings.HasSuffix(string(numbers), "files,milliseconds\n1,2.000\n10,20.000\n") {
		t.Errorf("numbers are %q, %v", numbers, err)
	}
	picture, err := os.ReadFile(filepath.Join("plots", "c.svg"))
	if err != nil || !strings.Contains(string(picture), "<svg") || !strings.Contains(string(picture), "a title") {
		t.Errorf("no picture: %v", err)
	}
}
