{{/* What NOTES find out about the cluster. */}}

{{/* Whether the mesh knows the authorizer, as `authz config mesh --check` has it in full: {known, problems}. */}}
{{- define "authz.mesh" -}}
{{- $entry := include "authz.provider" . | fromYaml -}}
{{- $found := lookup "v1" "ConfigMap" "istio-system" "istio" -}}
{{- $problems := list -}}
{{- if $found -}}
{{- $there := dict -}}
{{- range dig "extensionProviders" list (dig "data" "mesh" "" $found | fromYaml) -}}
{{- if eq .name $entry.name }}{{ $there = . }}{{ end -}}
{{- end -}}
{{- if not $there -}}
{{- $problems = append $problems (printf "it has no extension provider %s" $entry.name) -}}
{{- else if not $there.envoyExtAuthzGrpc -}}
{{- $problems = append $problems (printf "extension provider %s has no envoyExtAuthzGrpc" $entry.name) -}}
{{- else -}}
{{- $grpc := $there.envoyExtAuthzGrpc -}}
{{- if ne ($grpc.service | splitList "/" | last) $entry.envoyExtAuthzGrpc.service -}}
{{- $problems = append $problems (printf "its service is %s, and not %s" $grpc.service $entry.envoyExtAuthzGrpc.service) -}}
{{- end -}}
{{- if ne ($grpc.port | int) ($entry.envoyExtAuthzGrpc.port | int) -}}
{{- $problems = append $problems (printf "its port is %v, and not %v" $grpc.port $entry.envoyExtAuthzGrpc.port) -}}
{{- end -}}
{{- if not $grpc.timeout -}}
{{- $problems = append $problems "it has no timeout, and Istio waits for 10 minutes then" -}}
{{- end -}}
{{- if $grpc.failOpen -}}
{{- $problems = append $problems "failOpen: whatever the authorizer can not answer passes" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ dict "known" (not (empty $found)) "problems" $problems | toYaml }}
{{- end }}

{{/* Helm installs a CRD and never upgrades it: says so where the cluster's is not this chart's. */}}
{{- define "authz.staleDefinition" -}}
{{- $ours := .Files.Get "crds/apirules.yaml" | fromYaml -}}
{{- with lookup "apiextensions.k8s.io/v1" "CustomResourceDefinition" "" $ours.metadata.name -}}
{{- if ne (.spec.versions | toJson) ($ours.spec.versions | toJson) -}}
The cluster's definition of APIRule is not this chart's, and Helm does not upgrade it. Do it now, and before each upgrade:

  helm show crds CHART | kubectl apply --server-side --force-conflicts -f -
{{- end -}}
{{- end -}}
{{- end }}
