// Jobs that do nothing through River on PostgreSQL: how many a second once many wait, and how long one waits when few do.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// Jobs that one worker runs at a time, as in River's own benchmark.
const workersMax = 2000

// Jobs of one COPY.
const batch = 2500

type noopArgs struct {
	SentAt int64             `json:"sent_at"`
	Source string            `json:"source"`
	Output map[string]string `json:"outputs"`
}

func (noopArgs) Kind() string { return "noop" }

type noopWorker struct {
	river.WorkerDefaults[noopArgs]
	done  atomic.Int64
	mutex sync.Mutex
	waits []float64
}

func (worker *noopWorker) Work(_ context.Context, job *river.Job[noopArgs]) error {
	wait := float64(time.Now().UnixNano()-job.Args.SentAt) / 1e6
	worker.mutex.Lock()
	worker.waits = append(worker.waits, wait)
	worker.mutex.Unlock()
	worker.done.Add(1)
	return nil
}

func (worker *noopWorker) await(jobs int64) {
	for worker.done.Load() < jobs {
		time.Sleep(time.Millisecond)
	}
}

func noop() noopArgs {
	return noopArgs{time.Now().UnixNano(), "none", map[string]string{"op": "fleet.noop"}}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	jobs, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	rate, err := strconv.Atoi(os.Args[3])
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(os.Args[4])
	if err != nil {
		return err
	}
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Args[1])
	if err != nil {
		return err
	}
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New[pgx.Tx](driver, nil)
	if err != nil {
		return err
	}
	if _, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	worker := &noopWorker{}
	workers := river.NewWorkers()
	river.AddWorker(workers, worker)
	client, err := river.NewClient(driver, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workersMax}},
		Workers: workers,
	})
	if err != nil {
		return err
	}

	begun := time.Now()
	for left := jobs; left > 0; left -= batch {
		var many []river.InsertManyParams
		for range min(left, batch) {
			many = append(many, river.InsertManyParams{Args: noop()})
		}
		if _, err = client.InsertManyFast(ctx, many); err != nil {
			return err
		}
	}
	accepted := float64(jobs) / time.Since(begun).Seconds()

	begun = time.Now()
	if err = client.Start(ctx); err != nil {
		return err
	}
	worker.await(int64(jobs))
	ran := float64(jobs) / time.Since(begun).Seconds()

	worker.mutex.Lock()
	worker.waits = nil
	worker.mutex.Unlock()
	tick := time.NewTicker(time.Second / time.Duration(rate))
	for range rate * seconds {
		<-tick.C
		if _, err = client.Insert(ctx, noop(), nil); err != nil {
			return err
		}
	}
	worker.await(int64(jobs + rate*seconds))
	if err = client.Stop(ctx); err != nil {
		return err
	}
	slices.Sort(worker.waits)
	at := func(share float64) float64 { return worker.waits[int(share*float64(len(worker.waits)-1))] }
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"accepted_per_s": accepted, "ran_per_s": ran, "p50_ms": at(0.50), "p95_ms": at(0.95), "p99_ms": at(0.99),
	})
}
