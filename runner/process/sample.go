package process

import (
	"slices"
	"sync"
	"time"
)

// Sample is one measurement of a running command.
type Sample struct {
	At     time.Duration // since the command was started
	CPU    float64       // cores in use since the sample before
	Memory int64         // bytes, without the page cache that the kernel can reclaim
	Disk   int64         // bytes in use on the disk of the command's directory; 0: unknown
}

const (
	// cgroupInterval is the time between samples of a cgroup, which is three small files. Other sources, all of /proc
	// or a meter, are more expensive.
	cgroupInterval = 250 * time.Millisecond
	scanInterval   = time.Second

	// maxSamples bounds the list. At the bound it is halved, and so is the rate, so that a run of a day takes as much
	// room as a run of minutes.
	maxSamples = 600
)

// sampler measures a run until it is stopped.
type sampler struct {
	account *account
	tree    *tree
	dir     string
	begun   time.Time
	every   time.Duration
	samples []Sample
	stopped chan struct{}
	done    sync.WaitGroup
}

func (a *account) sample(t *tree, dir string, begun time.Time) *sampler {
	s := &sampler{account: a, tree: t, dir: dir, begun: begun, every: cgroupInterval, stopped: make(chan struct{})}
	if !a.countsMemory() || !a.countsCPU() {
		s.every = scanInterval
	}
	s.done.Go(s.run)
	return s
}

// stop ends the sampling and returns the samples.
func (s *sampler) stop() []Sample {
	close(s.stopped)
	s.done.Wait()
	s.account.disk.measure(s.dir) // after the last write
	return s.samples
}

// measurement is the state of the counters at a time.
type measurement struct {
	at          time.Time
	memory      int64
	cpu         time.Duration // of the command so far, by its counter
	counter     cpuCounter
	meterSource string // of the memory, if that is from a meter
}

// cpuCounter is a source of CPU time. Values of different counters are not comparable.
type cpuCounter string

const (
	cgroupCounter cpuCounter = "cgroup"
	meterCounter  cpuCounter = "meter"
	treeCounter   cpuCounter = "tree"
)

func (s *sampler) run() {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	last := measurement{at: s.begun, counter: treeCounter}
	if s.account.countsCPU() {
		last = measurement{at: s.begun, cpu: s.account.used - s.account.ours, counter: cgroupCounter}
	} else if s.account.meter != nil {
		last, _ = s.measure(s.begun)
	}
	for {
		select {
		case <-s.stopped:
			return
		case now := <-ticker.C:
			m, ok := s.measure(now)
			switch {
			case !ok || !m.at.After(last.at): // or the meter repeats its last reading
				continue
			case m.counter != last.counter:
				last = m
				continue
			}
			cores := max(0, (m.cpu-last.cpu).Seconds()/max(m.at.Sub(last.at), time.Millisecond).Seconds())
			s.keep(Sample{At: m.at.Sub(s.begun), CPU: cores, Memory: m.memory, Disk: s.account.disk.measure(s.dir)})
			if m.meterSource != "" {
				s.account.metered = m.meterSource
			}
			last = m
			ticker.Reset(s.every)
		}
	}
}

// measure reads the cgroup, else the meter, else all processes of the run.
func (s *sampler) measure(now time.Time) (m measurement, ok bool) {
	a := s.account
	m = measurement{at: now, counter: cgroupCounter}
	memory := a.countsMemory()
	if memory {
		m.memory, memory = a.memory.workingSet()
	}
	cpu := a.countsCPU()
	if cpu {
		m.cpu, _ = a.cpu.used()
		m.cpu -= ourCPU()
	}
	if memory && cpu {
		return m, true
	}
	if a.meter != nil {
		if reading, ok := a.meter.Read(); ok {
			if !memory {
				m.memory, m.meterSource = reading.Memory, reading.Source
			}
			if !cpu {
				m.at, m.cpu, m.counter = reading.At, reading.CPU-ourCPU(), meterCounter
			}
			return m, true
		}
	}
	resident, used, ok := s.tree.usage()
	if !memory {
		m.memory = resident
	}
	if !cpu {
		m.cpu, m.counter = used, treeCounter
	}
	return m, ok
}

// keep appends a sample, and halves the list when it is full.
func (s *sampler) keep(sample Sample) {
	s.samples = append(s.samples, sample)
	if len(s.samples) < maxSamples {
		return
	}
	s.samples = halve(s.samples)
	s.every *= 2
}

// Downsample merges pairs of samples until there are at most limit. A merged sample has the peaks of both, and their
// average use of CPU.
func Downsample(samples []Sample, limit int) []Sample {
	samples = slices.Clone(samples)
	for len(samples) > limit {
		samples = halve(samples)
	}
	return samples
}

// halve merges pairs of samples in place.
func halve(samples []Sample) []Sample {
	half := samples[:0]
	var before time.Duration
	for i := 0; i < len(samples); i += 2 {
		a := samples[i]
		if i+1 < len(samples) {
			b := samples[i+1]
			first, second := (a.At - before).Seconds(), (b.At - a.At).Seconds()
			cpu := (a.CPU + b.CPU) / 2
			if first+second > 0 {
				cpu = (a.CPU*first + b.CPU*second) / (first + second)
			}
			a = Sample{At: b.At, CPU: cpu, Memory: max(a.Memory, b.Memory), Disk: max(a.Disk, b.Disk)}
		}
		before = a.At
		half = append(half, a)
	}
	return half
}
