package main

import (
	"context"
	"sync"
	"sync/atomic"
)

// runAll runs all seeds on several goroutines, and returns the results in the order of the seeds; only of those that
// were completed, if the context was cancelled. It returns the first error, after all goroutines have ended.
func runAll(ctx context.Context, s *settings, p progress) ([]*trial, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	all := make([]*trial, s.seeds)
	var next, seconds, done atomic.Int64
	var workers sync.WaitGroup
	for range s.workers { // each ends when there are no more seeds, or the context is cancelled
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(s.seeds) && ctx.Err() == nil; i = next.Add(1) - 1 {
				t, err := runTrial(ctx, s, s.seed+uint64(i), func() { p.show(int(done.Load()), seconds.Add(1)) })
				if err != nil {
					cancel(err)
					return
				}
				all[i] = t
				done.Add(1)
			}
		})
	}
	workers.Wait()
	complete := make([]*trial, 0, len(all))
	for _, t := range all {
		if t != nil {
			complete = append(complete, t)
		}
	}
	if err := context.Cause(ctx); err != nil && err != context.Canceled {
		return nil, err
	}
	return complete, nil
}
