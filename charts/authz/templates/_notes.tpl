{{/* What NOTES find out about the cluster. */}}

{{/*
Whether the mesh knows the authorizer, as `authz config mesh --check` has it in full: {known, problems}.
Each revision of istiod has a ConfigMap of its own; others of the same label configure its injection.
*/}}
{{- define "authz.mesh" -}}
{{- $named := include "authz.meshConfig" . | splitList "/" | last -}}
{{- $known := list -}}
{{- $problems := list -}}
{{- range (lookup "v1" "ConfigMap" (include "authz.meshNamespace" .) "").items -}}
{{- if or (eq .metadata.name $named) (and (dig "metadata" "labels" "istio.io/rev" "" .) (dig "data" "mesh" "" .)) -}}
{{- $name := .metadata.name -}}
{{- $known = append $known $name -}}
{{- $told := dict "root" $ "mesh" (dig "data" "mesh" "" . | fromYaml) -}}
{{- range include "authz.mesh.problems" $told | fromYamlArray -}}
{{- $problems = append $problems (printf "%s: %s" $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ dict "known" $known "problems" $problems | toYaml }}
{{- end }}

{{/* Of one MeshConfig. Takes {root, mesh}; a list. */}}
{{- define "authz.mesh.problems" -}}
{{- $entry := include "authz.provider" .root | fromYaml -}}
{{- $there := dict -}}
{{- range dig "extensionProviders" list .mesh -}}
{{- if eq .name $entry.name }}{{ $there = . }}{{ end -}}
{{- end -}}
{{- $problems := list -}}
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
{{ $problems | toYaml }}
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
