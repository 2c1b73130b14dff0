package fargate

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The table is worth no more than what it says of its origin.
func TestThePricesNameTheirSourceAndDate(t *testing.T) {
	text, err := os.ReadFile("prices.go")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.DateOnly, PricesAsOf); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonECS/", "https://aws.amazon.com/fargate/pricing/", "publication of " + PricesAsOf} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s", want)
		}
	}
	for region, p := range prices {
		if !regexp.MustCompile(`^[a-z]+-[a-z]+-\d$`).MatchString(region) || p.x86.vCPU < 0.04 || p.x86.vCPU > 0.08 {
			t.Errorf("%s: %+v", region, p)
		}
		// AWS sets one price by the other: a GiB costs about a ninth of a vCPU, ARM and Spot are less.
		for _, r := range []rate{p.x86, p.arm, p.spotX86, p.spotARM} {
			if r != (rate{}) && (r.vCPU/r.memory < 8.9 || r.vCPU/r.memory > 9.3 || r.vCPU > p.x86.vCPU) {
				t.Errorf("%s: %+v", region, r)
			}
		}
	}
}

func TestWhatARunCosts(t *testing.T) {
	two := Size{VCPU: 2, Memory: 4}
	for _, c := range []struct {
		name      string
		terms     Terms
		size      Size
		took      time.Duration
		want      float64
		as        string // the terms that it was found for
		estimated bool
	}{
		{"an hour of the guide's task", Terms{Region: "us-east-1"}, two, time.Hour, 2*0.04048 + 4*0.004445, "us-east-1 x86 on demand", false},
		{"ten minutes, as in the table of infra", Terms{Region: "us-east-1"}, two, 10 * time.Minute, 0.01645666666666667, "us-east-1 x86 on demand", false},
		{"on ARM", Terms{Region: "us-east-1", ARM: true}, two, time.Hour, 2*0.03238 + 4*0.00356, "us-east-1 ARM on demand", false},
		{"on Spot, which floats", Terms{Region: "us-east-1", Spot: true}, two, time.Hour, 2*0.01288871 + 4*0.00141527, "us-east-1 x86 Spot", true},
		{"on Spot where its price is not known: at most that", Terms{Region: "eu-central-1", Spot: true}, two, time.Hour, 2*0.04656 + 4*0.00511, "eu-central-1 x86 on demand", false},
		{"on ARM where its price is not known", Terms{Region: "eu-central-1", ARM: true}, two, time.Hour, 0.8 * (2*0.04656 + 4*0.00511), "eu-central-1 ARM on demand", true},
		{"in a region that is not known", Terms{Region: "mx-central-1"}, two, time.Hour, 2*0.04048 + 4*0.004445, "us-east-1 x86 on demand", true},
		{"where no region is named", Terms{}, two, time.Hour, 2*0.04048 + 4*0.004445, "us-east-1 x86 on demand", false},
		{"a second is a minute", Terms{Region: "us-east-1"}, two, time.Second, (2*0.04048 + 4*0.004445) / 60, "us-east-1 x86 on demand", false},
		{"part of a second is one", Terms{Region: "us-east-1"}, two, 90*time.Second + time.Millisecond, (2*0.04048 + 4*0.004445) * 91 / 3600, "us-east-1 x86 on demand", false},
		{"the disk that is included", Terms{Region: "us-east-1"}, Size{2, 4, 20}, time.Hour, 2*0.04048 + 4*0.004445, "us-east-1 x86 on demand", false},
		{"more disk", Terms{Region: "us-east-1"}, Size{2, 4, 50}, time.Hour, 2*0.04048 + 4*0.004445 + 30*0.000111, "us-east-1 x86 on demand", false},
		{"more disk where its price is not known", Terms{Region: "eu-west-1"}, Size{2, 4, 50}, time.Hour, 2*0.04048 + 4*0.004445 + 30*0.000111, "eu-west-1 x86 on demand", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := PriceOf(c.terms)
			if got := p.Cost(c.size, c.took); !near(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
			if as := strings.Join([]string{p.Region, p.Architecture(), p.Capacity()}, " "); as != c.as ||
				p.Doubtful(c.size) != c.estimated {
				t.Errorf("%s, estimated %v", as, p.Doubtful(c.size))
			}
		})
	}
}

func TestDollars(t *testing.T) {
	for amount, want := range map[float64]string{0: "$0", 0.00001: "under $0.0001", 0.0042: "$0.0042", 0.1234: "$0.1234", 1: "$1.00", 12.345: "$12.35"} {
		if got := Dollars(amount); got != want {
			t.Errorf("%g: %s, want %s", amount, got, want)
		}
	}
}
