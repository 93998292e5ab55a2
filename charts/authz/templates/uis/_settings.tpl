{{/* What each dashboard has to be told itself: text for NOTES, by name. */}}

{{- define "authz.uis.settings.kiali" -}}
Everybody whom the login admits sees the same{{ if .Values.uis.kiali.viewOnly }}, and changes nothing{{ end }}. Kiali's configuration:

  auth: {strategy: anonymous}
  deployment: {view_only_mode: true}
{{- end }}

{{- define "authz.uis.settings.grafana" -}}
{{- $ui := .Values.uis.grafana -}}
Istio's addon makes everybody an administrator (GF_AUTH_ANONYMOUS_*): take that out. grafana.ini:

  [server]
  root_url = https://{{ $ui.host }}/
  [auth]
  disable_login_form = true
  signout_redirect_url = https://{{ $ui.host }}/oauth2/sign_out?rd=%2F
  [auth.anonymous]
  enabled = false
  [auth.basic]
  enabled = false
{{- if eq $ui.signIn "proxy" }}
  [auth.proxy]
  enabled = true
  header_name = X-WEBAUTH-USER
  header_property = email
  headers = Email:X-WEBAUTH-EMAIL
  auto_sign_up = true
  enable_login_token = false
  [users]
  auto_assign_org_role = Viewer
{{- else }}
{{- $tokens := .Values.config.identityTokens }}
  [auth.jwt]
  enabled = true
  header_name = {{ $tokens.header | default "x-auth-identity" }}
  username_claim = sub
  email_claim = email
  jwk_set_url = https://{{ $ui.host }}/.well-known/jwks.json
  expect_claims = {{ dict "iss" $tokens.issuer "aud" "grafana" | toJson }}
  role_attribute_path = {{ range $ui.adminGroups }}contains(groups[*], '{{ . }}') && 'Admin' || {{ end }}'Viewer'
  role_attribute_strict = true
  auto_sign_up = true
  cache_ttl = 30m
{{- end }}
{{- end }}

{{- define "authz.uis.settings.jaeger" -}}
It has no login of its own, and nothing to be told.
{{- end }}

{{- define "authz.uis.settings.prometheus" -}}
It has no login of its own. So that its links lead back to it: --web.external-url=https://{{ .Values.uis.prometheus.host }}/
{{- end }}
