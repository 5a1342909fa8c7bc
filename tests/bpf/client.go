// A Go program in mid-life: prints "ready"; each line of its input is
// {"parallel", "requests"}, each request gets one line of output.
// $SSL_CERT_FILE names the CA; every connection goes to $TEST_PORT.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

type request struct {
	URL, Method string
	Headers     map[string]string
	Body        *string
}

type answer struct {
	Status int               `json:"status"`
	Header map[string]string `json:"headers,omitempty"`
	Body   string            `json:"body"`
	Error  string            `json:"error,omitempty"`
}

func one(c *http.Client, r request) answer {
	var body io.Reader
	if r.Body != nil {
		body = strings.NewReader(*r.Body)
	}
	q, err := http.NewRequest(r.Method, r.URL, body)
	if err != nil {
		return answer{Error: err.Error()}
	}
	for k, v := range r.Headers {
		q.Header.Set(k, v)
	}
	a, err := c.Do(q)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		return answer{Status: a.StatusCode, Error: err.Error()}
	}
	return answer{Status: a.StatusCode, Body: string(b)}
}

func main() {
	var d net.Dialer
	t := &http.Transport{
		DialContext: func(ctx context.Context, n, _ string) (net.Conn, error) {
			return d.DialContext(ctx, n, "127.0.0.1:"+os.Getenv("TEST_PORT"))
		},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 100,
	}
	c := &http.Client{Transport: t, Timeout: 30 * time.Second}
	in := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var spec struct {
			Parallel bool
			Requests []request
		}
		if err := json.Unmarshal(line, &spec); err != nil {
			panic(err)
		}
		got := make([]answer, len(spec.Requests))
		var all sync.WaitGroup
		for i, r := range spec.Requests {
			if !spec.Parallel {
				got[i] = one(c, r)
				continue
			}
			all.Add(1)
			go func(i int, r request) {
				defer all.Done()
				got[i] = one(c, r)
			}(i, r)
		}
		all.Wait()
		for _, a := range got {
			b, _ := json.Marshal(a)
			fmt.Println(string(b))
		}
	}
}
