// Command agent is a service-discovery agent: one runs on each host, and all of them together know which services run
// where. It answers DNS and HTTP, and shows a page of the cluster's state and metrics for Prometheus.
//
//	agent -config agent.json
//	dig @127.0.0.1 -p 8600 web.service.cluster. SRV
//
// On SIGHUP it reads its configuration and keys again, and announces its tags and services. On SIGTERM and SIGINT it
// leaves the cluster and ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(os.Args[1:], log); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

// run runs an agent until a signal ends it.
func run(args []string, log *slog.Logger) error {
	load, err := parse(args)
	if err != nil {
		return err
	}
	config, err := load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)

	a, err := start(ctx, config, log)
	if err != nil {
		return err
	}
	for {
		select {
		case <-reload:
			if config, err := load(); err != nil {
				log.Error("configuration not changed", "error", err)
			} else if err := a.reload(config); err != nil {
				log.Error("configuration changed in part", "error", err)
			} else {
				log.Info("configuration changed")
			}
		case err := <-a.failed:
			return errors.Join(err, a.stop())
		case <-ctx.Done():
			return a.stop()
		}
	}
}
