{{/* What things are called. A release called `authz` has the names of config/rbac. */}}

{{- define "authz.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Of a part: "authorizer" has the name of the whole. Takes (list $ "controller"). */}}
{{- define "authz.part" -}}
{{- $whole := include "authz.name" (first .) -}}
{{- if eq (last .) "authorizer" }}{{ $whole }}{{ else }}{{ $whole }}-{{ last . }}{{ end }}
{{- end }}

{{- define "authz.selector" -}}
app.kubernetes.io/name: {{ (first .).Chart.Name }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{- define "authz.labels" -}}
{{ include "authz.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (first .).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (first .).Chart.Name (first .).Chart.Version | replace "+" "_" }}
{{- end }}

{{/* metadata of a part's object in the release's namespace, or in none with a third argument. */}}
{{- define "authz.metadata" -}}
name: {{ include "authz.part" (list (index . 0) (index . 1)) }}
{{- if lt (len .) 3 }}
namespace: {{ (index . 0).Release.Namespace }}
{{- end }}
labels:
  {{- include "authz.labels" (list (index . 0) (index . 1)) | nindent 2 }}
{{- end }}

{{/* A Service's name in the mesh. Takes (list $ "authorizer"). */}}
{{- define "authz.host" -}}
{{ include "authz.part" . }}.{{ (first .).Release.Namespace }}.svc.{{ (first .).Values.clusterDomain }}
{{- end }}

{{- define "authz.image" -}}
{{- $image := .image -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .tag }}{{ end }}
{{- end }}
