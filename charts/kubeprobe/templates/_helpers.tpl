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
