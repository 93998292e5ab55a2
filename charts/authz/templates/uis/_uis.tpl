{{/* Dashboards that have no login of their own, or none worth having: `uis`. */}}

{{- define "authz.uis.names" -}}
{{ list "kiali" "grafana" "jaeger" "prometheus" | toYaml }}
{{- end }}

{{/* Those that are to be behind the login, by name. Refuses what would leave one open. */}}
{{- define "authz.uis.enabled" -}}
{{- $found := dict -}}
{{- range $name := include "authz.uis.names" . | fromYamlArray -}}
{{- $ui := get $.Values.uis $name -}}
{{- if $ui.enabled -}}
{{- $_ := required (printf "uis.%s.host is needed" $name) $ui.host -}}
{{- if not (or $ui.allowedGroups $ui.allowedEmails) -}}
{{- fail (printf "uis.%s takes allowedGroups or allowedEmails: who may look at it" $name) -}}
{{- end -}}
{{- $_ := set $found $name $ui -}}
{{- end -}}
{{- end -}}
{{ $found | toYaml }}
{{- end }}

{{/* An authorizer for each, named ui-NAME: a list. */}}
{{- define "authz.uis.authorizers" -}}
{{- $made := list -}}
{{- range $name, $ui := include "authz.uis.enabled" . | fromYaml -}}
{{- range $.Values.config.authorizers -}}
{{- if eq .name (printf "ui-%s" $name) -}}
{{- fail (printf "config.authorizers: ui-%s is the chart's own, for uis.%s" $name $name) -}}
{{- end -}}
{{- end -}}
{{- $session := include "authz.uis.session" $ | fromYaml -}}
{{- with $ui.allowedGroups }}{{ $_ := set $session "allowedGroups" . }}{{ end -}}
{{- with $ui.allowedEmails }}{{ $_ := set $session "allowedEmails" . }}{{ end -}}
{{- $one := dict "name" (printf "ui-%s" $name) "accept" (list (dict "session" $session)) -}}
{{- if eq $name "grafana" -}}
{{- $one = merge $one (include "authz.uis.grafana.identity" $ | fromYaml) -}}
{{- end -}}
{{- $made = append $made $one -}}
{{- end -}}
{{ $made | toYaml }}
{{- end }}

{{/* Where people sign in: the chart's own oauth2-proxy, or `uis.session`. */}}
{{- define "authz.uis.session" -}}
{{- $known := dict -}}
{{- if .Values.oauth2Proxy.enabled -}}
{{- $known = dict "oauth2Proxy" (include "authz.loginAddress" .) "cookieName" .Values.oauth2Proxy.cookieName -}}
{{- else if not .Values.uis.session.oauth2Proxy -}}
{{- fail "uis takes oauth2Proxy.enabled, or uis.session.oauth2Proxy where there is one" -}}
{{- end -}}
{{ mergeOverwrite $known (deepCopy .Values.uis.session) | toYaml }}
{{- end }}

{{/* How Grafana learns who it is. */}}
{{- define "authz.uis.grafana.identity" -}}
{{- $tokens := .Values.config.identityTokens | default dict -}}
{{- if eq .Values.uis.grafana.signIn "proxy" -}}
identityHeaders: {x-webauth-user: email, x-webauth-email: email, x-webauth-groups: groups}
{{- else if and $tokens.keys $tokens.issuer $tokens.listen -}}
identityToken: {audience: grafana, claims: {email: email, groups: groups}}
{{- else -}}
{{- fail "uis.grafana.signIn: jwt takes config.identityTokens with keys, issuer and listen; or choose signIn: proxy" -}}
{{- end -}}
{{- end }}

{{/* What may be done with one of them, anywhere. Takes (list $ NAME), as does the next. */}}
{{- define "authz.uis.methods" -}}
{{- $ui := get (first .).Values.uis (last .) -}}
{{- if or $ui.viewOnly (eq (last .) "prometheus") -}}
[GET, HEAD]
{{- else -}}
[GET, HEAD, POST{{ if has (last .) (list "kiali" "grafana") }}, PUT, PATCH, DELETE{{ end }}]
{{- end -}}
{{- end }}

{{/* Where a POST only asks, in those that take none elsewhere: there it would stop Prometheus, or write by Kiali. */}}
{{- define "authz.uis.posts" -}}
{{- if eq (last .) "prometheus" -}}
{{- $posts := list -}}
{{- range list "query" "query_range" "query_exemplars" "series" "labels" "format_query" "parse_query" }}{{ $posts = append $posts (print "/api/v1/" .) }}{{ end -}}
{{ $posts | toYaml }}
{{- else if (get (first .).Values.uis (last .)).viewOnly -}}
{{- $posts := list -}}
{{- range list "" "/kiali" }}{{ $posts = concat $posts (list (print . "/api/authenticate") (print . "/api/stats/metrics")) }}{{ end -}}
{{ $posts | toYaml }}
{{- else -}}
[]
{{- end -}}
{{- end }}

{{/* metadata of an object for one of them, beside it. Takes (list $ NAME). */}}
{{- define "authz.uis.metadata" -}}
name: {{ include "authz.part" . }}
namespace: {{ (get (first .).Values.uis (last .)).namespace }}
labels:
  {{- include "authz.labels" . | nindent 2 }}
{{- end }}

{{/* Which of the others ask one of them: Kiali shows what Grafana, Jaeger and Prometheus know. */}}
{{- define "authz.uis.callers" -}}
{{- $callers := dict "kiali" list "grafana" (list "kiali") "jaeger" (list "kiali" "grafana") "prometheus" (list "kiali" "grafana") -}}
{{- $enabled := include "authz.uis.enabled" (first .) | fromYaml -}}
{{- $found := list -}}
{{- range get $callers (last .) -}}
{{- if hasKey $enabled . }}{{ $found = append $found . }}{{ end -}}
{{- end -}}
{{ $found | toYaml }}
{{- end }}
