{{/* What people and tools find the objects by. */}}
{{- define "setpoint.labels" -}}
app.kubernetes.io/name: setpoint
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* What selects the pods. It can't change, so it says no version. */}}
{{- define "setpoint.selector" -}}
app.kubernetes.io/name: setpoint
{{- end }}

{{/* The rules of the role of `kind` in `file`, one of the base's: they are written there, and nowhere here. */}}
{{- define "setpoint.rules" -}}
{{- $kind := .kind }}
{{- range splitList "\n---\n" (.root.Files.Get .file) }}
{{- $object := fromYaml . }}
{{- if eq $object.kind $kind }}
{{- toYaml $object.rules }}
{{- end }}
{{- end }}
{{- end }}

{{/* `rules` for the controller wherever it watches, as the role `name`: in the whole cluster, or in one namespace. */}}
{{- define "setpoint.grant" -}}
{{- $namespace := .root.Values.watchNamespace }}
{{- $kind := empty $namespace | ternary "ClusterRole" "Role" }}
{{- /* It may be the namespace that it runs in, with a role of this name. */}}
{{- $name := empty $namespace | ternary .name (printf "%s-watched" .name) }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "setpoint.labels" .root | nindent 4 }}
rules:
{{ toYaml .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ $name }}
  {{- with $namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "setpoint.labels" .root | nindent 4 }}
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: {{ $kind }}, name: {{ $name }} }
subjects:
{{ include "setpoint.subject" .root }}
{{- end }}

{{- define "setpoint.subject" -}}
- { kind: ServiceAccount, name: {{ .Values.serviceAccount.name }}, namespace: {{ .Release.Namespace }} }
{{- end }}
