package process

import (
	"slices"
	"sync"
	"time"
)

// Sample is one look at a run while it goes on.
type Sample struct {
	At     time.Duration // since the command was started
	CPU    float64       // cores in use since the sample before
	Memory int64         // bytes, less the page cache that the kernel can take back
	Disk   int64         // bytes used of the disk that the command's directory is on; 0 where that cannot be asked
}

const (
	// sampleEvery is how often we look. A cgroup is three small files; without one the look is at all of /proc, or a question to a meter.
	sampleEvery    = 250 * time.Millisecond
	lookAtAllEvery = time.Second

	// maxSamples are kept. When there are more, two become one, and we look half as often: a run of a day is told in as
	// much as a run of minutes.
	maxSamples = 600
)

// sampler looks at what a run takes until it is stopped.
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
	s := &sampler{account: a, tree: t, dir: dir, begun: begun, every: sampleEvery, stopped: make(chan struct{})}
	if !a.tellsMemory() || !a.tellsCPU() {
		s.every = lookAtAllEvery
	}
	s.done.Go(s.run)
	return s
}

// stop ends the sampling and returns what was seen.
func (s *sampler) stop() []Sample {
	close(s.stopped)
	s.done.Wait()
	s.account.disk.look(s.dir) // what was written last
	return s.samples
}

// look is what was seen at a time.
type look struct {
	at     time.Time
	memory int64
	cpu    time.Duration // of the command so far, as whoever counts it says
	by     string        // who counts it
	source string        // of the memory, if that is a meter
}

// The counters of CPU: what one says cannot be compared with what another says.
const (
	byGroup = "cgroup"
	byMeter = "meter"
	byTree  = "tree"
)

func (s *sampler) run() {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	last := look{at: s.begun, by: byTree}
	if s.account.tellsCPU() {
		last = look{at: s.begun, cpu: s.account.used - s.account.ours, by: byGroup}
	} else if s.account.meter != nil {
		last, _ = s.look(s.begun)
	}
	for {
		select {
		case <-s.stopped:
			return
		case now := <-ticker.C:
			l, ok := s.look(now)
			switch {
			case !ok || !l.at.After(last.at): // or the meter shows what it has shown
				continue
			case l.by != last.by:
				last = l
				continue
			}
			cores := max(0, (l.cpu-last.cpu).Seconds()/max(l.at.Sub(last.at), time.Millisecond).Seconds())
			s.keep(Sample{At: l.at.Sub(s.begun), CPU: cores, Memory: l.memory, Disk: s.account.disk.look(s.dir)})
			if l.source != "" {
				s.account.metered = l.source
			}
			last = l
			ticker.Reset(s.every)
		}
	}
}

// look asks the cgroup, then the meter, then all processes of the run.
func (s *sampler) look(now time.Time) (l look, ok bool) {
	a := s.account
	l = look{at: now, by: byGroup}
	memory := a.tellsMemory()
	if memory {
		l.memory, memory = a.memory.workingSet()
	}
	cpu := a.tellsCPU()
	if cpu {
		l.cpu, _ = a.cpu.used()
		l.cpu -= ourCPU()
	}
	if memory && cpu {
		return l, true
	}
	if a.meter != nil {
		if reading, ok := a.meter.Read(); ok {
			if !memory {
				l.memory, l.source = reading.Memory, reading.Source
			}
			if !cpu {
				l.at, l.cpu, l.by = reading.At, reading.CPU-ourCPU(), byMeter
			}
			return l, true
		}
	}
	rss, used, ok := s.tree.taken()
	if !memory {
		l.memory = rss
	}
	if !cpu {
		l.cpu, l.by = used, byTree
	}
	return l, ok
}

func (s *sampler) keep(new Sample) {
	s.samples = append(s.samples, new)
	if len(s.samples) < maxSamples {
		return
	}
	s.samples = fold(s.samples)
	s.every *= 2
}

// Downsample makes at most most samples of them, by making one of two until it is so: with their peaks, and what they used of CPU on average.
func Downsample(samples []Sample, most int) []Sample {
	samples = slices.Clone(samples)
	for len(samples) > most {
		samples = fold(samples)
	}
	return samples
}

// fold makes one of two, in the same place.
func fold(samples []Sample) []Sample {
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
