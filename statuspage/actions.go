package statuspage

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"

	"github.com/e3431adc/memberlist/internal/printable"
)

// actionTimeout is the time limit of an action, and maxForm that of its request in bytes.
const (
	actionTimeout = 10 * time.Second
	maxForm       = 8 << 10
)

// The names of actions, in forms.
const (
	actionForget     = "forget"
	actionForceLeave = "force-leave"
	actionLeave      = "leave"
)

// act carries out an action that Options allow, for a request of the same origin, and shows the page again.
func (h *handler) act(w http.ResponseWriter, r *http.Request) {
	if err := h.origins.Check(r); err != nil {
		http.Error(w, "refused: the request comes from another site", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
		return
	}
	do := h.action(r.PostForm)
	if do == nil {
		http.Error(w, "no such action here", http.StatusForbidden)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), actionTimeout)
	defer cancel()
	if err := do(ctx); err != nil {
		http.Error(w, "failed: "+printable.Text(err.Error()), http.StatusConflict)
		return
	}
	// http.Redirect would make the address absolute, which it is not where a prefix was stripped.
	w.Header().Set("Location", "?"+r.URL.RawQuery)
	w.WriteHeader(http.StatusSeeOther)
}

// action returns what a form asks for, or nil if that is not allowed.
func (h *handler) action(form url.Values) func(context.Context) error {
	name, err := decodeName(form.Get("member"))
	if err != nil {
		return nil
	}
	switch what := form.Get("action"); {
	case what == actionForget && h.options.AllowForget:
		return func(context.Context) error { return h.list.Forget(name) }
	case what == actionForceLeave && h.options.AllowForceLeave:
		return func(ctx context.Context) error { return h.list.ForceLeave(ctx, name) }
	case what == actionLeave && h.options.AllowLeave:
		return h.list.LeaveContext
	}
	return nil
}

// encodeName returns a name for a form: browsers change line ends and bytes that are no UTF-8.
func encodeName(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

func decodeName(encoded string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(encoded)
	return string(name), err
}
