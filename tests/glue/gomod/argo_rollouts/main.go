// Command argo_rollouts takes measurements by Argo Rollouts' own web metric provider.
//
// It reads {"templates": [AnalysisTemplate, ...], "rollouts": [Rollout, ...]}, the templates with their arguments filled
// in, refuses what Argo Rollouts has no field for, and writes for each template the list of what one measurement of each
// of its metrics comes to: {"phase", "value", "message"}.
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
	Templates []v1alpha1.AnalysisTemplate `json:"templates"`
	Rollouts  []v1alpha1.Rollout          `json:"rollouts"`
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
	told := make([][]measured, 0, len(asked.Templates))
	for _, template := range asked.Templates {
		all := make([]measured, 0, len(template.Spec.Metrics))
		for _, metric := range template.Spec.Metrics {
			one, err := measure(metric)
			if err != nil {
				fail(err)
			}
			all = append(all, one)
		}
		told = append(told, all)
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		fail(err)
	}
}

func measure(metric v1alpha1.Metric) (measured, error) {
	if metric.Provider.Web == nil {
		return measured{}, fmt.Errorf("metric %s has no web provider", metric.Name)
	}
	client, err := webmetric.NewWebMetricHttpClient(metric)
	if err != nil {
		return measured{}, err
	}
	parser, err := webmetric.NewWebMetricJsonParser(metric)
	if err != nil {
		return measured{}, err
	}
	provider := webmetric.NewWebMetricProvider(*log.NewEntry(log.StandardLogger()), client, parser)
	one := provider.Run(&v1alpha1.AnalysisRun{}, metric)
	return measured{one.Phase, one.Value, one.Message}, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
