package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// config is the configuration of an agent: a JSON file, and flags, which go before it.
type config struct {
	Name      string            `json:"name"`      // of this member; empty: the host's name
	Bind      string            `json:"bind"`      // host:port of the cluster's packets and streams
	Advertise string            `json:"advertise"` // host:port under which others reach it, if that is another
	Join      []string          `json:"join"`      // join addresses; names and srv+names are resolved by DNS
	KeyFile   string            `json:"key_file"`  // keys in base64, one a line, the primary one first
	DNS       string            `json:"dns"`       // host:port of the DNS server
	HTTP      string            `json:"http"`      // host:port of the API, the status page and the metrics
	Domain    string            `json:"domain"`    // that the DNS server answers for
	TTL       int               `json:"ttl"`       // of DNS records, in seconds
	Tags      map[string]string `json:"tags"`      // of this member
	Services  []service         `json:"services"`  // that run here
}

// service is a service on one host.
type service struct {
	Name string `json:"name"`
	Port uint16 `json:"port"`
}

// leaveTimeout is the time that leaving may take.
const leaveTimeout = 5 * time.Second

// parse parses flags and returns a function that reads the configuration, each time anew.
func parse(args []string) (func() (*config, error), error) {
	var fromFlags config
	var file, join string
	set := flag.NewFlagSet("agent", flag.ContinueOnError)
	set.StringVar(&file, "config", "", "JSON `file` with the same names, and with tags and services")
	set.StringVar(&fromFlags.Name, "name", "", "`name` of this member (default: the host's)")
	set.StringVar(&fromFlags.Bind, "bind", "", "`host:port` of the cluster's traffic (default 0.0.0.0:7946)")
	set.StringVar(&fromFlags.Advertise, "advertise", "", "`host:port` under which others reach this member")
	set.StringVar(&join, "join", "", "join `addresses`, separated by commas")
	set.StringVar(&fromFlags.KeyFile, "key-file", "", "`file` with keys in base64, the primary one first")
	set.StringVar(&fromFlags.DNS, "dns", "", "`host:port` of the DNS server (default 127.0.0.1:8600)")
	set.StringVar(&fromFlags.HTTP, "http", "", "`host:port` of API, page and metrics (default 127.0.0.1:8500)")
	set.StringVar(&fromFlags.Domain, "domain", "", "`domain` of the DNS server (default cluster.)")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", set.Arg(0))
	}
	if join != "" {
		fromFlags.Join = strings.Split(join, ",")
	}
	return func() (*config, error) { return read(file, &fromFlags) }, nil
}

// read reads the file, if there is one, puts the flags before it, and fills in the defaults.
func read(file string, flags *config) (*config, error) {
	c := new(config)
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		d := json.NewDecoder(f)
		d.DisallowUnknownFields()
		if err := d.Decode(c); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	host, _ := os.Hostname()
	for _, s := range []struct {
		value          *string
		flag, fallback string
	}{
		{&c.Name, flags.Name, host},
		{&c.Bind, flags.Bind, "0.0.0.0:7946"},
		{&c.Advertise, flags.Advertise, ""},
		{&c.KeyFile, flags.KeyFile, ""},
		{&c.DNS, flags.DNS, "127.0.0.1:8600"},
		{&c.HTTP, flags.HTTP, "127.0.0.1:8500"},
		{&c.Domain, flags.Domain, "cluster."},
	} {
		if s.flag != "" {
			*s.value = s.flag
		} else if *s.value == "" {
			*s.value = s.fallback
		}
	}
	if len(flags.Join) > 0 {
		c.Join = flags.Join
	}
	if c.TTL <= 0 {
		c.TTL = 5
	}
	c.Domain = strings.ToLower(strings.Trim(c.Domain, ".")) + "."
	return c, c.check()
}

func (c *config) check() error {
	var errs []error
	if !isLabel(c.Name) {
		errs = append(errs, fmt.Errorf("name: %q is no DNS label", c.Name))
	}
	for _, s := range c.Services {
		if !isLabel(s.Name) {
			errs = append(errs, fmt.Errorf("services: %q is no DNS label", s.Name))
		}
		if s.Port == 0 {
			errs = append(errs, fmt.Errorf("services: %s has no port", s.Name))
		}
	}
	return errors.Join(errs...)
}

// isLabel reports whether a name can be one label of a DNS name: letters, digits, - and _.
func isLabel(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return name != "" && len(name) <= 63
}

// keys reads the key file. Without one there are none.
func (c *config) keys() ([][]byte, error) {
	if c.KeyFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("%s: a line is no base64", c.KeyFile) // and is not shown: it may be a key
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: no key", c.KeyFile)
	}
	return keys, nil
}

// hostPort splits an address into a host and a port number.
func hostPort(address string) (string, int, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return host, int(port), err
}
