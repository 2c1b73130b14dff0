package notifytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Bot is Slack's API for one app: chat.postMessage and chat.update.
type Bot struct {
	Service
	Token   string
	Channel string // the only one that the app is in
	Error   string // what the API answers instead; "" for nothing

	mu       sync.Mutex
	count    int
	messages map[string]bool // timestamps
}

// Start returns the URL of the API and a function that stops the server.
func (b *Bot) Start() (address string, stop func()) {
	b.messages = map[string]bool{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/chat.postMessage", b.method(b.post))
	mux.HandleFunc("POST /api/chat.update", b.method(b.update))
	base, stop := b.serve(mux)
	return base + "/api/", stop
}

// Forget deletes all messages.
func (b *Bot) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.messages)
}

// Fail has the API answer with an error by its documented name; "" ends that.
func (b *Bot) Fail(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Error = name
}

// method checks what all methods have in common.
func (b *Bot) method(do func(form url.Values) (ts, problem string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.ReadAll(r.Body)
		form, err := url.ParseQuery(string(body))
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token == "" {
			token = form.Get("token")
		}
		ts, problem := "", ""
		b.mu.Lock()
		failing := b.Error
		b.mu.Unlock()
		switch blocks := form.Get("blocks"); {
		case failing != "":
			problem = failing
		case err != nil || strings.Contains(r.URL.RawQuery, "xoxb"):
			problem = "invalid_form_data"
		case token != b.Token:
			problem = "invalid_auth"
		case form.Get("channel") != b.Channel:
			problem = "channel_not_found"
		default:
			text, _ := json.Marshal(form.Get("text"))
			if problem = refusedBySlack(fmt.Appendf(nil, `{"text":%s,"blocks":%s}`, text, blocks)); problem != "" {
				b.refuse(problem)
				problem = "invalid_blocks"
				break
			}
			ts, problem = do(form)
		}
		if problem != "" {
			b.refuse(problem)
			fmt.Fprintf(w, `{"ok":false,"error":%q}`, problem)
			return
		}
		fmt.Fprintf(w, `{"ok":true,"channel":%q,"ts":%q,"text":"x"}`, b.Channel, ts)
	}
}

func (b *Bot) post(form url.Values) (ts, problem string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kind := "message"
	if parent := form.Get("thread_ts"); parent != "" {
		if kind = "reply"; !b.messages[parent] {
			return "", "thread_not_found"
		}
	}
	b.count++
	ts = fmt.Sprintf("1700000000.%06d", b.count)
	b.messages[ts] = kind == "message"
	b.keep(kind, form)
	return ts, ""
}

func (b *Bot) update(form url.Values) (ts, problem string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ts = form.Get("ts"); !b.messages[ts] {
		return "", "message_not_found"
	}
	b.keep("update", form)
	return ts, ""
}

// keep keeps what was posted as JSON.
func (b *Bot) keep(kind string, form url.Values) {
	var blocks any
	_ = json.Unmarshal([]byte(form.Get("blocks")), &blocks)
	b.take(kind, form.Get("text"), map[string]any{
		"text": form.Get("text"), "blocks": blocks, "ts": form.Get("ts"), "thread_ts": form.Get("thread_ts"),
	})
}
