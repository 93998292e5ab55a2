{{/*
The configuration file: what is given below `config`, and what the chart knows better than a default.
Whatever is given goes before.
*/}}
{{- define "authz.config" -}}
{{- $given := deepCopy .Values.config -}}
{{- with include "authz.uis.authorizers" . | fromYamlArray -}}
{{- $_ := set $given "authorizers" (concat ($given.authorizers | default list) .) -}}
{{- end -}}
{{- $known := dict "controller" (dict "leaseNamespace" .Release.Namespace) -}}
{{- if not $given.policy }}{{ $_ := set $known "policy" (dict "kubernetes" dict) }}{{ end -}}
{{- if .Values.metrics.enabled -}}
{{- $_ := set $known "listen" (dict "admin" "0.0.0.0:9192") -}}
{{- $_ := set $known.controller "admin" "0.0.0.0:9193" -}}
{{- end -}}
{{ mergeOverwrite $known $given | toYaml }}
{{- end }}

{{/* The port of an address. */}}
{{- define "authz.portOf" -}}
{{ regexFind "[0-9]+$" . }}
{{- end }}

{{- define "authz.grpcPort" -}}
{{ include "authz.portOf" (dig "listen" "grpc" "0.0.0.0:9191" .Values.config) }}
{{- end }}

{{/* "true" where the authorizer reads the API server. */}}
{{- define "authz.follows" -}}
{{- if hasKey (get (include "authz.config" . | fromYaml) "policy") "kubernetes" }}true{{ end }}
{{- end }}

{{/* The parts of a principal TRUST-DOMAIN/ns/NAMESPACE/sa/NAME, with the model's default. */}}
{{- define "authz.gatewayPrincipal" -}}
{{ dig "istio" "gatewayPrincipal" "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account" .Values.config }}
{{- end }}
{{- define "authz.gatewayNamespace" -}}
{{ index (splitList "/" (include "authz.gatewayPrincipal" .)) 2 }}
{{- end }}
{{- define "authz.trustDomain" -}}
{{ include "authz.gatewayPrincipal" . | splitList "/" | first }}
{{- end }}
{{- define "authz.gatewaySelector" -}}
{{ dig "istio" "gatewaySelector" (dict "istio" "ingressgateway") .Values.config | toYaml }}
{{- end }}

{{/* Where Istio's configuration is: the ConfigMap NAMESPACE/NAME, as the controller is told. */}}
{{- define "authz.meshConfig" -}}
{{ dig "istio" "meshConfig" "istio-system/istio" .Values.config }}
{{- end }}
{{- define "authz.meshNamespace" -}}
{{ include "authz.meshConfig" . | splitList "/" | first }}
{{- end }}

{{/* What Istio's MeshConfig has to say of this release: an entry of extensionProviders. */}}
{{- define "authz.provider" -}}
name: {{ dig "istio" "provider" "authz" .Values.config }}
envoyExtAuthzGrpc:
  service: {{ include "authz.host" (list . "authorizer") }}
  port: {{ include "authz.grpcPort" . }}
  timeout: 2s
  statusOnError: "503"
  failOpen: false
{{- end }}
