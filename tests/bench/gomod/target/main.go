// A target that answers at once and counts its answers, and takes in what a prober tells; or a scraper that has an
// exporter probe it at a fixed rate.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	at := flag.String("at", "127.0.0.1:18080", "where to answer in clear")
	secureAt := flag.String("secure-at", "", "where to answer over TLS")
	cert := flag.String("cert", "", "certificate for that")
	key := flag.String("key", "", "its key")
	exporter := flag.String("scrape", "", "instead of answering: the exporter that is to probe")
	targets := flag.Int("targets", 50, "how many targets it is to probe")
	interval := flag.Duration("interval", time.Second, "how often each of them")
	flag.Parse()
	if *exporter != "" {
		scrape(*exporter, *at, *targets, *interval)
		return
	}
	var answers atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/answers", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, answers.Load()) })
	mux.HandleFunc("/v1/samples", func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "ok\n")
		answers.Add(1)
	})
	if *secureAt != "" {
		go func() { log.Fatal(http.ListenAndServeTLS(*secureAt, *cert, *key, mux)) }()
	}
	log.Fatal(http.ListenAndServe(*at, mux))
}

// scrape asks for a probe of each target at a fixed rate, and prints each second how many there were and went well.
func scrape(exporter, at string, targets int, interval time.Duration) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	probe := exporter + "/probe?module=http_2xx&target=" + url.QueryEscape("http://"+at+"/")
	var done, failed atomic.Int64
	var all sync.WaitGroup
	for number := range targets {
		all.Add(1)
		go func() {
			time.Sleep(interval * time.Duration(number) / time.Duration(targets))
			for range time.Tick(interval) {
				answer, err := client.Get(probe)
				if err != nil {
					failed.Add(1)
					continue
				}
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				done.Add(1)
			}
		}()
	}
	go func() {
		for range time.Tick(time.Second) {
			fmt.Println(done.Load(), failed.Load())
		}
	}()
	all.Wait()
}
