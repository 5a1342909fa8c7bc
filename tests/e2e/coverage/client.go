// An ordinary Go program: client URL FILE... posts each file and prints
// status and length of the answer. $SSL_CERT_FILE names the CA.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	for _, f := range os.Args[2:] {
		b, err := os.ReadFile(f)
		if err != nil {
			panic(err)
		}
		r, err := http.Post(os.Args[1], "application/json",
			bytes.NewReader(b))
		if err != nil {
			fmt.Println(0, err)
			continue
		}
		got, _ := io.ReadAll(r.Body)
		r.Body.Close()
		fmt.Println(r.StatusCode, len(got))
	}
}
