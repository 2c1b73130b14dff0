package artifacts

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// storeAll stores the files with these indices: many small ones at a time, and large ones beside them.
func (u *update) storeAll(ctx context.Context, todo []int) error {
	meterOf(ctx).addTotal(len(todo), 0)
	small, large, size := concurrency(u.store)
	g, inner := errgroup.WithContext(ctx)
	known := u.attestWhenKnown(len(todo), func(attest func(context.Context) error) {
		g.Go(func() error { return attest(inner) })
	})
	queue := make(chan int)
	heavy := make(chan int, len(todo)) // files that turned out to be large
	g.Go(func() error {
		defer close(queue)
		for _, i := range todo {
			select {
			case queue <- i:
			case <-inner.Done():
				return ContextError(inner)
			}
		}
		return nil
	})
	var sorting sync.WaitGroup
	for range min(small, len(todo)) {
		sorting.Add(1)
		g.Go(func() error {
			defer sorting.Done()
			for i := range queue {
				if err := u.storeFile(inner, i, size, heavy, known); err != nil {
					return err
				}
			}
			return nil
		})
	}
	go func() {
		sorting.Wait()
		close(heavy)
	}()
	for range min(large, len(todo)) {
		g.Go(func() error {
			for i := range heavy {
				if err := u.storeFile(inner, i, -1, nil, known); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ContextError(ctx)
}

// storeFile stores a file, or sends its index to heavy if it is larger than size. When it has been read, it calls known,
// which may be nil.
func (u *update) storeFile(ctx context.Context, i int, size int64, heavy chan<- int, known func(int, File)) error {
	f := &u.files[i]
	c, err := u.tree.openFile(ctx, f.Path, f.SHA256)
	if err != nil {
		return err
	}
	defer c.Close()
	if size >= 0 && c.Size() > size {
		heavy <- i
		return nil
	}
	c.meter = meterOf(ctx)
	c.meter.addTotal(0, c.Size())
	is := c.describe()
	if known != nil {
		read := is
		c.known = func(sum string) {
			read.SHA256 = sum
			known(i, read)
		}
	}
	is.VersionID, err = u.store.Put(ctx, Object{
		Key: u.key(f.Path), Body: c, Size: c.Size(), Mode: c.Mode(),
		Type: is.Type, CacheControl: u.target.cacheControl, Batch: true,
	})
	if err != nil {
		return err
	}
	if is.SHA256, err = c.digest(); err != nil {
		return err
	}
	if f.SHA256 != "" && !is.sameAs(*f) {
		return &ChangedError{f.Path, "was written to"}
	}
	*f = is
	c.meter.addFile()
	u.count(Counts{Uploaded: 1, Bytes: c.Size()})
	return nil
}

// concurrency returns the store's own, or that of a disk, which a few files at a time keep busy whatever their size.
func concurrency(s Store) (small, large int, size int64) {
	if p, ok := s.(Parallel); ok {
		return p.Concurrency()
	}
	return workers(), 0, -1
}

// workers is enough to keep disk and cores busy.
func workers() int { return min(8, runtime.GOMAXPROCS(0)*4) }

// forEach calls do for 0 to n-1, a few at a time, and stops at the first error.
func forEach(ctx context.Context, parallel, n int, do func(ctx context.Context, i int) error) error {
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range n {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error { return do(inner, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ContextError(ctx)
}
