package memberlist_test

import (
	"log/slog"
	"os"

	"github.com/e3431adc/memberlist"
)

// What a member logs goes where the rest of the program's log does, with attributes: which member it is about, at which
// address, in which state, at which incarnation.
func ExampleConfig_slogHandler() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // or the example would print another time each time
			}
			return a
		},
	})
	network := &memberlist.MockNetwork{}
	config := memberlist.DefaultLANConfig()
	config.Name = "a"
	config.Transport = network.NewTransport("a")
	config.SlogHandler = handler.WithAttrs([]slog.Attr{slog.String("component", "membership")})
	m, err := memberlist.Create(config)
	if err != nil {
		slog.Error(err.Error())
		return
	}
	defer m.Shutdown()
	m.Join([]string{"[::1"})
	// Output:
	// level=WARN msg="failed to resolve" component=membership seed=[::1 error="invalid address: \"[::1\": missing bracket"
}
