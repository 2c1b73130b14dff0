package process

import (
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
	// sampleEvery is how often we look. A cgroup is three small files; without one the look is at all of /proc.
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
	return s.samples
}

func (s *sampler) run() {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	last, used := s.begun, s.account.used-s.account.ours
	if !s.account.tellsCPU() {
		used = 0
	}
	for {
		select {
		case <-s.stopped:
			return
		case now := <-ticker.C:
			memory, total, ok := s.look()
			if !ok {
				continue
			}
			cores := max(0, (total-used).Seconds()/max(now.Sub(last), time.Millisecond).Seconds())
			s.keep(Sample{At: now.Sub(s.begun), CPU: cores, Memory: memory, Disk: diskUsed(s.dir)})
			last, used = now, total
			ticker.Reset(s.every)
		}
	}
}

// look returns the memory in use, and the CPU time of the command so far.
func (s *sampler) look() (memory int64, used time.Duration, ok bool) {
	a := s.account
	byGroup := a.tellsMemory()
	if byGroup {
		memory, byGroup = a.memory.workingSet()
	}
	if a.tellsCPU() {
		used, _ = a.cpu.used()
		used -= ourCPU()
	}
	if byGroup && a.tellsCPU() {
		return memory, used, true
	}
	rss, cpu, ok := s.tree.taken()
	if !byGroup {
		memory = rss
	}
	if !a.tellsCPU() {
		used = cpu
	}
	return memory, used, ok
}

func (s *sampler) keep(new Sample) {
	s.samples = append(s.samples, new)
	if len(s.samples) < maxSamples {
		return
	}
	half := s.samples[:0]
	for i := 0; i+1 < len(s.samples); i += 2 {
		a, b := s.samples[i], s.samples[i+1]
		half = append(half, Sample{At: b.At, CPU: (a.CPU + b.CPU) / 2, Memory: max(a.Memory, b.Memory), Disk: max(a.Disk, b.Disk)})
	}
	s.samples = half
	s.every *= 2
}
