// Command flagger calls webhooks by Flagger's own client.
//
// It reads {"canary": {...}, "calls": [{"webhook": {...}, "event": "..."}]} and writes for each call the error that
// Flagger would have, or "" for a yes. A call with an event is one of those that Flagger tells what happens by.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	flaggerv1 "github.com/fluxcd/flagger/pkg/apis/flagger/v1beta1"
	"github.com/fluxcd/flagger/pkg/controller"
)

type call struct {
	Webhook flaggerv1.CanaryWebhook `json:"webhook"`
	Event   string                  `json:"event"`
}

type question struct {
	Canary flaggerv1.Canary `json:"canary"`
	Calls  []call           `json:"calls"`
}

func main() {
	var asked question
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	told := make([]string, 0, len(asked.Calls))
	for _, one := range asked.Calls {
		told = append(told, said(one.made(asked.Canary)))
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func (c call) made(canary flaggerv1.Canary) error {
	if c.Event != "" {
		return controller.CallEventWebhook(&canary, c.Webhook, c.Event, "Normal")
	}
	return controller.CallWebhook(canary, canary.Status.Phase, c.Webhook)
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return "no: " + err.Error()
}
