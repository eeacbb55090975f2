package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/e3431adc/memberlist"
	"github.com/e3431adc/memberlist/metrics/prometheus"
)

// agent is a running agent.
type agent struct {
	config    *config
	log       *slog.Logger
	list      *memberlist.Memberlist
	delegate  *delegate
	keyring   *memberlist.Keyring // nil: no encryption
	collector *prometheus.Collector
	servers   []func(context.Context) error // that end the servers
	failed    chan error                    // has the error of a server that ended by itself
}

// start creates the member, starts the servers, and joins in the background.
func start(ctx context.Context, c *config, log *slog.Logger) (*agent, error) {
	a := &agent{config: c, log: log, delegate: new(delegate), failed: make(chan error, 3)}
	if err := a.delegate.set(c); err != nil {
		return nil, err
	}
	conf, err := memberConfig(c, log)
	if err != nil {
		return nil, err
	}
	conf.Delegate, a.keyring = a.delegate, conf.Keyring
	if a.list, err = memberlist.Create(conf); err != nil {
		return nil, err
	}
	log.Info("member", "addr", a.list.LocalNode().Address())
	a.collector = prometheus.NewCollector(a.list, prometheus.Options{})
	if err := errors.Join(a.serveDNS(), a.serveHTTP()); err != nil {
		return nil, errors.Join(err, a.stop())
	}
	go a.join(ctx)
	return a, nil
}

// memberConfig returns the configuration of the member.
func memberConfig(c *config, log *slog.Logger) (*memberlist.Config, error) {
	conf := memberlist.DefaultLANConfig()
	conf.Name, conf.SlogHandler = c.Name, log.Handler()
	var err error
	if conf.BindAddr, conf.BindPort, err = hostPort(c.Bind); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	conf.AdvertisePort = conf.BindPort
	if c.Advertise != "" {
		if conf.AdvertiseAddr, conf.AdvertisePort, err = hostPort(c.Advertise); err != nil {
			return nil, fmt.Errorf("advertise: %w", err)
		}
	}
	keys, err := c.keys()
	if err != nil {
		return nil, err
	}
	if len(keys) > 0 {
		if conf.Keyring, err = memberlist.NewKeyring(keys, keys[0]); err != nil {
			return nil, err
		}
	}
	conf.Seeds = func(context.Context) ([]string, error) { return c.Join, nil } // asked again as long as the agent runs
	return conf, nil
}

// joinInterval is the time between attempts to join.
const joinInterval = 5 * time.Second

// join joins the cluster. It tries until it has joined or ctx ends.
func (a *agent) join(ctx context.Context) {
	for len(a.config.Join) > 0 {
		result, err := a.list.JoinContext(ctx, memberlist.JoinRequest{Seeds: a.config.Join})
		alone := err != nil && !slices.ContainsFunc(result.Attempts, func(t memberlist.JoinAttempt) bool {
			return !errors.Is(t.Err, memberlist.ErrIsSelf)
		})
		switch {
		case err == nil || alone: // the first one of a cluster has only itself to join
			a.log.Info("joined", "members", result.Joined)
			return
		case ctx.Err() != nil || errors.Is(err, memberlist.ErrShutdown):
			return
		}
		a.log.Warn("cannot join yet", "error", err)
		select {
		case <-time.After(joinInterval):
		case <-ctx.Done():
			return
		}
	}
}

// reload applies a configuration: its tags, services and keys. The rest takes a restart.
func (a *agent) reload(c *config) error {
	if err := a.delegate.set(c); err != nil {
		return err
	}
	keys, err := c.keys()
	if err != nil {
		return err
	}
	if (len(keys) > 0) != (a.keyring != nil) {
		return errors.New("encryption is turned on or off by a restart")
	}
	if len(keys) > 0 {
		if err := replaceKeys(a.keyring, keys); err != nil {
			return err
		}
	}
	return a.list.UpdateNode(leaveTimeout)
}

// replaceKeys makes a ring have these keys, the first of them as the primary one.
func replaceKeys(ring *memberlist.Keyring, keys [][]byte) error {
	for _, key := range keys {
		if err := ring.AddKey(key); err != nil {
			return err
		}
	}
	if err := ring.UseKey(keys[0]); err != nil {
		return err
	}
	for _, old := range ring.GetKeys() {
		if !slices.ContainsFunc(keys, func(key []byte) bool { return string(key) == string(old) }) {
			if err := ring.RemoveKey(old); err != nil {
				return err
			}
		}
	}
	return nil
}

// stop leaves the cluster and ends the servers.
func (a *agent) stop() error {
	errs := []error{a.list.Leave(leaveTimeout)}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	for _, end := range a.servers {
		errs = append(errs, end(ctx))
	}
	a.collector.Close()
	return errors.Join(append(errs, a.list.Shutdown())...)
}

// serveHTTP starts the HTTP server.
func (a *agent) serveHTTP() error {
	l, err := net.Listen("tcp", a.config.HTTP)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: a.handler(), ReadHeaderTimeout: 10 * time.Second}
	a.servers = append(a.servers, s.Shutdown)
	a.log.Info("HTTP", "addr", l.Addr().String())
	go a.watch("HTTP", func() error { return s.Serve(l) })
	return nil
}

// serveDNS starts the DNS servers, for UDP and TCP at one port.
func (a *agent) serveDNS() error {
	l, err := net.Listen("tcp", a.config.DNS)
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		return errors.Join(err, l.Close())
	}
	z := &zone{members: a.list.Members, domain: a.config.Domain, ttl: uint32(a.config.TTL)}
	for _, s := range []*dns.Server{{Listener: l, Handler: z}, {PacketConn: packets, Handler: z}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		a.servers = append(a.servers, s.ShutdownContext)
		go a.watch("DNS", s.ActivateAndServe)
		<-started
	}
	a.log.Info("DNS", "addr", l.Addr().String())
	return nil
}

// watch runs a server, and reports its error unless it was ended.
func (a *agent) watch(name string, serve func() error) {
	if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		a.failed <- fmt.Errorf("%s: %w", name, err)
	}
}

// delegate announces tags and services as the member's metadata.
type delegate struct{ meta atomic.Pointer[[]byte] }

// metadata is what agents announce, as JSON.
type metadata struct {
	Services []service         `json:"s,omitempty"`
	Tags     map[string]string `json:"t,omitempty"`
}

// set sets the metadata that the next UpdateNode announces.
func (d *delegate) set(c *config) error {
	b, err := json.Marshal(metadata{Services: c.Services, Tags: c.Tags})
	if err != nil {
		return err
	}
	if len(b) > memberlist.MetaMaxSize {
		return fmt.Errorf("tags and services take %d bytes, %d at most", len(b), memberlist.MetaMaxSize)
	}
	d.meta.Store(&b)
	return nil
}

func (d *delegate) NodeMeta(int) []byte { return *d.meta.Load() }

func (d *delegate) NotifyMsg([]byte) {}

func (d *delegate) GetBroadcasts(int, int) [][]byte { return nil }

func (d *delegate) LocalState(bool) []byte { return nil }

func (d *delegate) MergeRemoteState([]byte, bool) {}
