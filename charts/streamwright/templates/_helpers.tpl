{{/* Name of everything of this release: its own name, with ours where that is not in it. */}}
{{- define "streamwright.name" -}}
{{- if contains "streamwright" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-streamwright" .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "streamwright.operator" -}}
{{ include "streamwright.name" . }}-operator
{{- end -}}

{{- define "streamwright.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "streamwright.operator" .) }}
{{- end -}}

{{/* What selects the operator's pods. NetworkPolicies of brokers and pipelines let in pods with the first two. */}}
{{- define "streamwright.selector" -}}
app.kubernetes.io/name: streamwright
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "streamwright.labels" -}}
{{ include "streamwright.selector" . }}
app.kubernetes.io/part-of: streamwright
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "streamwright.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "streamwright.dataPlane" -}}
{{ .Values.dataPlane.repository | default .Values.image.repository }}
{{- end -}}

{{/* Pod security `restricted`, for a container. */}}
{{- define "streamwright.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- end -}}

{{- define "streamwright.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* What the operator may do where its objects are: one list for every namespace, or for each that it watches. */}}
{{- define "streamwright.rules" -}}
# The custom resources: read, taken care of (finalizers, annotations), and their status.
- apiGroups: [streamwright.dev]
  resources: [clusters, topics, retentionpolicies, pipelines]
  verbs: [get, list, watch, patch, update]
- apiGroups: [streamwright.dev]
  resources: [clusters/status, topics/status, retentionpolicies/status, pipelines/status]
  verbs: [get, patch, update]
- apiGroups: [streamwright.dev]
  resources: [clusters/finalizers, topics/finalizers, retentionpolicies/finalizers, pipelines/finalizers]
  verbs: [update]
# Topics that Kafka clients create and delete, and those of dead letters.
- apiGroups: [streamwright.dev]
  resources: [topics]
  verbs: [create, delete]
# What brokers and pipelines are made of.
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# Pods are replaced, never made; claims grow, and are never deleted.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, patch]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# The Secrets that hold certificates of ours, by name, and no others: a list or watch is allowed for `metadata.name=<one of these>` alone.
# Users' Secrets are mounted by the kubelet, never read.
- apiGroups: [""]
  resources: [secrets]
  resourceNames:
  {{- range $number := until 8 }}
  - streamwright-tls-{{ $number }}
  {{- end }}
  verbs: [get, list, watch, create, patch, delete]
{{- end -}}
