{{/* What all pods have in common. */}}

{{/* No rights that are not needed: Kubernetes' "restricted" standard, and a root file system to read only. */}}
{{- define "authz.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "authz.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "authz.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* One replica after the other, the new one first. */}}
{{- define "authz.rollout" -}}
type: RollingUpdate
rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
{{- end }}

{{/* Over nodes and zones, if there are several. Takes (list $ "authorizer"). */}}
{{- define "authz.spread" -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "authz.selector" $ | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{/* On which nodes a part may run. */}}
{{- define "authz.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels and annotations by which a pod is in the mesh, or out of it. Takes (list $ SECONDS-TO-DRAIN). */}}
{{- define "authz.inMesh" -}}
sidecar.istio.io/inject: {{ (first .).Values.sidecar | quote }}
{{- end }}
{{- define "authz.proxyConfig" -}}
{{- if (first .).Values.sidecar -}}
# The sidecar begins before and ends after the program.
proxy.istio.io/config: |
  holdApplicationUntilProxyStarts: true
  terminationDrainDuration: {{ last . }}s
{{- end }}
{{- end }}

{{/* What the programs of our own read. */}}
{{- define "authz.mounts" -}}
- {name: config, mountPath: /etc/authz/config, readOnly: true}
{{- range .Values.secrets }}
- {name: secret-{{ . }}, mountPath: /etc/authz/secrets/{{ . }}, readOnly: true}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- end }}
{{- define "authz.volumes" -}}
- name: config
  configMap: {name: {{ include "authz.name" . }}}
{{- range .Values.secrets }}
- name: secret-{{ . }}
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 16Mi}
{{- end }}
