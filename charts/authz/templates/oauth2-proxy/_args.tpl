{{/* Where the authorizer asks it, and where routes lead: `session.oauth2Proxy`. */}}
{{- define "authz.loginAddress" -}}
http://{{ include "authz.part" (list . "oauth2-proxy") }}.{{ .Release.Namespace }}:4180
{{- end }}

{{/* How oauth2-proxy is run: docs/oauth2.md says why. Yields YAML, NAME: VALUE or a list of them. */}}
{{- define "authz.oauth2Proxy" -}}
{{- $login := .Values.oauth2Proxy -}}
{{- $args := dict
  "http-address" "0.0.0.0:4180"
  "reverse-proxy" "true"
  "trusted-proxy-ip" $login.trustedProxies
  "real-client-ip-header" "X-Envoy-External-Address"
  "upstream" "static://202"
  "set-xauthrequest" "true"
  "email-domain" "*"
  "skip-provider-button" "true"
  "client-id" $login.clientId
  "client-secret-file" "/etc/oauth2-proxy/client/client-secret"
  "cookie-secret-file" "/etc/oauth2-proxy/cookie/cookie-secret"
  "cookie-name" $login.cookieName
  "cookie-secure" "true"
  "cookie-httponly" "true"
  "cookie-samesite" "lax"
  "cookie-csrf-per-request" "true"
  "cookie-csrf-per-request-limit" "25"
  "cookie-csrf-expire" "5m"
  "cookie-expire" $login.cookieExpire
  "cookie-refresh" $login.cookieRefresh
  "request-logging" "false"
  "auth-logging" "false"
  "show-debug-on-error" "false"
-}}
{{- $args = merge (include (printf "authz.oauth2Proxy.%s" $login.provider) . | fromYaml) $args -}}
{{- range list "client-secret" "cookie-secret" "redis-password" "redis-sentinel-password" "redis-connection-url" "jwt-key" "signature-key" "basic-auth-password" -}}
{{- if hasKey $login.extraArgs . -}}
{{- fail (printf "oauth2Proxy.extraArgs: %s would be everybody's to read; a Secret holds it" .) -}}
{{- end -}}
{{- end -}}
{{- with $login.groupsClaim }}{{ $_ := set $args "oidc-groups-claim" . }}{{ end -}}
{{- if $login.redis.enabled -}}
{{- $_ := set $args "session-store-type" "redis" -}}
{{- end -}}
{{ mergeOverwrite $args (deepCopy $login.extraArgs) | toYaml }}
{{- end }}

{{/* The providers. Those of OpenID Connect are held to PKCE and a nonce. */}}
{{- define "authz.oauth2Proxy.oidc" -}}
provider: oidc
oidc-issuer-url: {{ required "oauth2Proxy.issuer is needed for this provider" .Values.oauth2Proxy.issuer | quote }}
scope: openid email profile
code-challenge-method: S256
insecure-oidc-skip-nonce: "false"
{{- end }}
{{- define "authz.oauth2Proxy.keycloak-oidc" -}}
{{ include "authz.oauth2Proxy.oidc" . | replace "provider: oidc" "provider: keycloak-oidc" }}
oidc-groups-claim: groups
backend-logout-url: {{ .Values.oauth2Proxy.issuer | trimSuffix "/" }}/protocol/openid-connect/logout?id_token_hint={id_token}
{{- end }}
{{- define "authz.oauth2Proxy.entra-id" -}}
{{ include "authz.oauth2Proxy.oidc" . | replace "provider: oidc" "provider: entra-id" | replace "email profile" "email profile offline_access" }}
{{- end }}
{{- define "authz.oauth2Proxy.google" -}}
provider: google
code-challenge-method: S256
{{- end }}
{{- define "authz.oauth2Proxy.github" -}}
provider: github
scope: user:email read:org
{{- end }}
