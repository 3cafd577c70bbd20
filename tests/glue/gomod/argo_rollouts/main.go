// Command argo_rollouts takes the measurements of a web metric by Argo Rollouts' own provider.
//
// It reads {"metrics": [{...}], "times": 1}, the metrics as they stand in an AnalysisTemplate with its arguments filled
// in, and writes for each metric the list of {"phase", "value", "message"} that so many measurements come to.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/argoproj/argo-rollouts/metricproviders/webmetric"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	log "github.com/sirupsen/logrus"
)

type question struct {
	Metrics []v1alpha1.Metric `json:"metrics"`
	Times   int               `json:"times"`
}

type measured struct {
	Phase   v1alpha1.AnalysisPhase `json:"phase"`
	Value   string                 `json:"value"`
	Message string                 `json:"message"`
}

func main() {
	log.SetOutput(io.Discard)
	var asked question
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		fail(err)
	}
	told := make([][]measured, 0, len(asked.Metrics))
	for _, metric := range asked.Metrics {
		all, err := measure(metric, asked.Times)
		if err != nil {
			fail(err)
		}
		told = append(told, all)
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		fail(err)
	}
}

func measure(metric v1alpha1.Metric, times int) ([]measured, error) {
	if metric.Provider.Web == nil {
		return nil, fmt.Errorf("metric %s has no web provider", metric.Name)
	}
	client, err := webmetric.NewWebMetricHttpClient(metric)
	if err != nil {
		return nil, err
	}
	parser, err := webmetric.NewWebMetricJsonParser(metric)
	if err != nil {
		return nil, err
	}
	provider := webmetric.NewWebMetricProvider(*log.NewEntry(log.StandardLogger()), client, parser)
	all := make([]measured, 0, times)
	for range times {
		one := provider.Run(&v1alpha1.AnalysisRun{}, metric)
		all = append(all, measured{one.Phase, one.Value, one.Message})
	}
	return all, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
