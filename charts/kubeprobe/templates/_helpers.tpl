{{- define "kubeprobe.name" -}}
{{- if contains "kubeprobe" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-kubeprobe" .Release.Name | trunc 63 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{- define "kubeprobe.selector" -}}
app.kubernetes.io/name: kubeprobe
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kubeprobe.labels" -}}
{{ include "kubeprobe.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "kubeprobe.webhook" -}}
{{- /* What its Service, its Secret and its configuration are called. */ -}}
{{ include "kubeprobe.name" . | trunc 55 | trimSuffix "-" }}-webhook
{{- end -}}

{{- define "kubeprobe.gates" -}}
{{- /* What the Service is called where gates are asked. */ -}}
{{ include "kubeprobe.name" . | trunc 57 | trimSuffix "-" }}-gates
{{- end -}}

{{- /* Rights to follow the kinds of changes.kinds, each a rule; those that the operator has anyway are not repeated. */ -}}
{{- define "kubeprobe.changeRules" -}}
{{- $workloads := false -}}
{{- range .Values.changes.kinds }}
{{- if contains "/" . }}
{{- $workloads = true }}
{{- $parts := splitList "/" . }}
- apiGroups: [{{ regexReplaceAll "^[^.]+[.]" (index $parts 0) "" }}]
  resources: [{{ index $parts 2 }}]
  verbs: [list, watch]
{{- else if eq . "StatefulSet" }}
{{- $workloads = true }}
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [list, watch]
{{- else if has . (list "Deployment" "DaemonSet") }}
{{- $workloads = true }}
{{- else if eq . "CustomResourceDefinition" }}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [list, watch]
{{- else if eq . "ValidatingWebhookConfiguration" }}
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingwebhookconfigurations]
  verbs: [list, watch]
{{- else if eq . "MutatingWebhookConfiguration" }}
- apiGroups: [admissionregistration.k8s.io]
  resources: [mutatingwebhookconfigurations]
  verbs: [list, watch]
{{- end }}
{{- end }}
{{- if $workloads }}
- apiGroups: [apps]
  resources: [replicasets, controllerrevisions]
  verbs: [list, watch]
{{- end }}
{{- end -}}
