package discovery

import "testing"

func TestPositionsAreWrittenInSexagesimalWithTheirSign(t *testing.T) {
	for _, tt := range []struct {
		name    string
		ra, dec float64
		wantRA  string
		wantDec string
		badRA   bool
		badDec  bool
	}{
		{name: "a source of the survey", ra: 198.392083, dec: -15.458889, wantRA: "13h13m34.1s", wantDec: "-15.27.32"},
		{name: "declination -0.5 keeps its sign", ra: 0, dec: -0.5, wantRA: "0h0m0s", wantDec: "-0.30.0"},
		{name: "declination 0.5", ra: 15, dec: 0.5, wantRA: "1h0m0s", wantDec: "0.30.0"},
		{name: "60 seconds are a minute", ra: 14.99999999, dec: 9.99999999, wantRA: "1h0m0s", wantDec: "10.0.0"},
		{name: "24 hours are 0", ra: 359.9999999, dec: -89.99999999, wantRA: "0h0m0s", wantDec: "-90.0.0"},
		{name: "zero has no sign", ra: 0.00000001, dec: -0.00000001, wantRA: "0h0m0s", wantDec: "0.0.0"},
		{name: "two decimals", ra: 1.0 / 240 * 1.25, dec: 1.0 / 3600 * 7.05, wantRA: "0h0m1.25s", wantDec: "0.0.7.05"},
		{name: "out of range", ra: 360, dec: 90.1, badRA: true, badDec: true},
		{name: "negative right ascension", ra: -1, dec: 0, wantDec: "0.0.0", badRA: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ra, err := formatRA(tt.ra)
			if ra != tt.wantRA || (err != nil) != tt.badRA {
				t.Errorf("right ascension %v: %q, %v; want %q", tt.ra, ra, err, tt.wantRA)
			}
			dec, err := formatDec(tt.dec)
			if dec != tt.wantDec || (err != nil) != tt.badDec {
				t.Errorf("declination %v: %q, %v; want %q", tt.dec, dec, err, tt.wantDec)
			}
		})
	}
}
