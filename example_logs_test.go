package memberlist_test

import (
	"log/slog"
	"os"

	"github.com/e3431adc/memberlist"
)

// A member's log records go to the program's handler, with attributes: the member concerned, its address, state and
// incarnation.
func ExampleConfig_slogHandler() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // the time would differ in each run
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
