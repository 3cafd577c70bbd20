// Command flux evaluates the health of objects by Flux's own evaluator.
//
// It reads {"checks": [{"apiVersion", "kind", "current", ...}], "objects": [{...}]}, the checks as they stand in a
// Kustomization's spec.healthCheckExprs, and writes for each object {"status", "error"} by the check for its kind.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type question struct {
	Checks  []kustomize.CustomHealthCheck `json:"checks"`
	Objects []json.RawMessage             `json:"objects"`
}

type health struct {
	Status string `json:"status"`
	Error  string `json:"error"`
}

func main() {
	var asked question
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&asked); err != nil {
		fail(err)
	}
	told := make([]health, 0, len(asked.Objects))
	for _, raw := range asked.Objects {
		told = append(told, assess(asked.Checks, raw))
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		fail(err)
	}
}

func assess(checks []kustomize.CustomHealthCheck, raw []byte) health {
	// As a client reads it, so that whole numbers are whole numbers.
	object := &unstructured.Unstructured{}
	if _, _, err := unstructured.UnstructuredJSONScheme.Decode(raw, nil, object); err != nil {
		return health{Error: err.Error()}
	}
	for _, check := range checks {
		if check.APIVersion != object.GetAPIVersion() || check.Kind != object.GetKind() {
			continue
		}
		evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
		if err != nil {
			return health{Error: err.Error()}
		}
		found, err := evaluator.Evaluate(context.Background(), object)
		if err != nil {
			return health{Error: err.Error()}
		}
		return health{Status: string(found.Status)}
	}
	return health{Error: "no check is for this kind"}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
